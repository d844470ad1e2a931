"""Causal language modelling: predict each token from those before it."""

import math
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.core.collectives import data_weighted_mean
from mlr_jax.core.types import Batch, Key, Metrics, Task, Variables
from mlr_jax.ops.masked import blank_padding, masked_mean
from mlr_jax.ops.vocabulary import token_losses


class Hypers(NamedTuple):
    """What a sweep can vary: read by the optimizer (`core/optimizers.py: adamw`)."""

    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    clip_norm: float = 1.0


def causal_lm(model: nn.Module, *, chunk: int | None = None) -> Task:
    """The task of minimising the mean over tokens of -log p(y_t | x_1 ... x_t), in nats.

    model: such as `nn/gpt.py: GPT`: `features(x, positions, segments, train=...)` are [B, T, D], and `logits` of them.
    Batches hold x and y [B, T] int, and may hold token_mask [B, T], 0 for tokens that do not count, positions and
    segments [B, T] of packed texts, and mask [B]. `chunk`: how many tokens' logits are made at a time.

    Training metrics: accuracy. Evaluation: loss and accuracy of each row [B], the mean over its tokens, and as their
    weight how many these are.
    """

    def init(key: Key) -> Variables:
        return model.init({"params": key}, jnp.zeros((1, 1), jnp.int32))

    def of_tokens(variables: Variables, batch: Batch, **options: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Losses, hits and the mask of tokens, [B, T] each."""
        rows, token_mask = _unpack(batch)
        features: Any = model.apply(
            variables, rows["x"], rows.get("positions"), rows.get("segments"), method="features", **options
        )

        def logits_of(features: jax.Array) -> jax.Array:
            logits: Any = model.apply(variables, features, method="logits")
            return logits

        flat = features.reshape(-1, features.shape[-1]), rows["y"].reshape(-1)
        losses, hits = token_losses(logits_of, *flat, chunk=chunk)
        return losses.reshape(token_mask.shape), hits.reshape(token_mask.shape), token_mask

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        losses, hits, mask = of_tokens(variables, batch, train=True, rngs={"dropout": key})

        def mean(values: jax.Array) -> jax.Array:
            return data_weighted_mean(values.reshape(-1), mask.reshape(-1), batch)

        return mean(losses), (variables, {"accuracy": mean(hits)})

    def evaluate(variables: Variables, batch: Batch) -> Metrics:
        losses, hits, mask = of_tokens(variables, batch)
        means = jax.vmap(masked_mean)
        return {"loss": means(losses, mask), "accuracy": means(hits, mask), "weight": jnp.sum(mask, axis=-1)}

    return Task(init, loss, evaluate)


def bits(nats: float) -> float:
    """Of a loss in nats."""
    return nats / math.log(2)


def perplexity(nats: float) -> float:
    """exp of a loss in nats: among how many tokens one would have to guess."""
    return math.exp(nats)


def _unpack(batch: Batch) -> tuple[dict[str, jax.Array], jax.Array]:
    x = batch["x"]
    token_mask = batch.get("token_mask")
    token_mask = jnp.ones(x.shape, jnp.float32) if token_mask is None else token_mask
    rows = {name: batch[name] for name in ("x", "y", "positions", "segments") if name in batch}
    mask = batch.get("mask")
    if mask is not None:
        rows, token_mask = blank_padding(rows, mask), token_mask * mask[:, None]
    return rows, token_mask
