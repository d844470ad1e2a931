"""Classification: any Linen model that returns logits, trained by cross-entropy."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.core.types import Batch, Key, Metrics, Task, Variables
from mlr_jax.ops.losses import cross_entropy
from mlr_jax.ops.masked import blank_padding, masked_mean


class Hypers(NamedTuple):
    """What a sweep can vary: the first three are read by the optimizer (`core/optimizers.py: adamw`)."""

    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    clip_norm: float = math.inf
    label_smoothing: float = 0.0


class SgdHypers(NamedTuple):
    """The same for `core/optimizers.py: sgd`, which reads the momentum too."""

    learning_rate: float = 0.1
    weight_decay: float = 0.0
    clip_norm: float = math.inf
    label_smoothing: float = 0.0
    momentum: float = 0.9


def classification(model: nn.Module, input_shape: Sequence[int]) -> Task:
    """The task of naming the class y of x by minimising the mean of -log p(y | x).

    model: called as `model(x, train=..., mask=...)`, returns logits [B, K]. Batches hold x [B, *input_shape],
    y [B] int, and may hold mask [B]; y [B, K] float are distributions over the classes, of which the greatest counts
    for the accuracy. Training metrics: accuracy. Evaluation: loss and accuracy of each row, [B].
    """

    def init(key: Key) -> Variables:
        return model.init({"params": key}, jnp.zeros((1, *input_shape)))

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        x, y, mask = _unpack(batch)
        mutable = [name for name in variables if name != "params"]
        result: Any = model.apply(variables, x, train=True, mask=mask, rngs={"dropout": key}, mutable=mutable)
        logits, updated = result
        losses = jax.vmap(cross_entropy, in_axes=(0, 0, None))(logits, y, hypers.label_smoothing)
        metrics = {"accuracy": masked_mean(_is_right(logits, y), mask)}
        return masked_mean(losses, mask), ({**variables, **updated}, metrics)

    def evaluate(variables: Variables, batch: Batch) -> Metrics:
        x, y, _ = _unpack(batch)
        logits = logits_of(model, variables, x)
        return {"loss": jax.vmap(cross_entropy)(logits, y), "accuracy": _is_right(logits, y)}

    return Task(init, loss, evaluate)


def predict(model: nn.Module, variables: Variables, x: jax.Array) -> jax.Array:
    """p(y | x) for each class: x [B, ...] -> [B, K], every row sums to one."""
    return jax.nn.softmax(logits_of(model, variables, x).astype(jnp.float32))


def logits_of(model: nn.Module, variables: Variables, x: jax.Array) -> jax.Array:
    """The model's output in evaluation: x [B, ...] -> [B, K]."""
    logits: Any = model.apply(variables, x)
    return logits


def _unpack(batch: Batch) -> tuple[jax.Array, jax.Array, jax.Array]:
    mask = batch.get("mask")
    if mask is None:
        mask = jnp.ones(batch["y"].shape[0])
    x, y = blank_padding((batch["x"], batch["y"]), mask)
    return x, y, mask


def _is_right(logits: jax.Array, y: jax.Array) -> jax.Array:
    label = y if y.ndim == 1 else jnp.argmax(y, axis=-1)
    return (jnp.argmax(logits, axis=-1) == label).astype(jnp.float32)
