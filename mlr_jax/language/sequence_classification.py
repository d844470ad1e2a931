"""Classification of texts: an encoder's features of all tokens, their mean, a layer on top of it."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.core.types import Batch, Key, Metrics, Task, Variables
from mlr_jax.nn.bert import mean_of_tokens
from mlr_jax.ops.losses import cross_entropy
from mlr_jax.ops.masked import blank_padding, masked_mean
from mlr_jax.supervised.classification import Hypers


class TextClassifier(nn.Module):
    """Tokens [B, L] -> the encoder's features [B, L, D] -> their mean over the real tokens -> logits [B, K], float32.

    encoder: called as `encoder(tokens, mask=..., train=...)`, such as `nn/bert.py: BERT`. dropout: of the mean. The
    last layer starts at zero: all classes are equally likely whatever the text, and the first steps move no feature.
    """

    encoder: nn.Module
    num_classes: int
    dropout: float = 0.0

    @nn.compact
    def __call__(self, tokens: jax.Array, *, mask: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Logits."""
        mask = jnp.ones(tokens.shape, jnp.float32) if mask is None else mask
        encoder: Any = self.encoder
        y = mean_of_tokens(encoder(tokens, mask=mask, train=train), mask)
        y = nn.Dropout(self.dropout, deterministic=not train)(y)
        head = nn.Dense(self.num_classes, kernel_init=nn.initializers.zeros_init(), name="head")
        return head(y).astype(jnp.float32)


def sequence_classification(model: nn.Module) -> Task:
    """The task of naming the class y of a text by minimising the mean of -log p(y | x_1 ... x_L).

    model: such as `TextClassifier`, called as `model(x, mask=..., train=...)`. Batches hold x [B, L] int, y [B] int,
    and may hold token_mask [B, L], 0 for tokens that only fill a row up, and mask [B]. Training metrics: accuracy.
    Evaluation: loss and accuracy of each row, [B].
    """

    def init(key: Key) -> Variables:
        return model.init({"params": key}, jnp.zeros((1, 1), jnp.int32))

    def logits_of(variables: Variables, rows: Batch, **options: Any) -> jax.Array:
        logits: Any = model.apply(variables, rows["x"], mask=rows["token_mask"], **options)
        return logits

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        rows, mask = _unpack(batch)
        logits = logits_of(variables, rows, train=True, rngs={"dropout": key})
        losses = jax.vmap(cross_entropy, in_axes=(0, 0, None))(logits, rows["y"], hypers.label_smoothing)
        metrics = {"accuracy": masked_mean(_is_right(logits, rows["y"]), mask)}
        return masked_mean(losses, mask), (variables, metrics)

    def evaluate(variables: Variables, batch: Batch) -> Metrics:
        rows, _ = _unpack(batch)
        logits = logits_of(variables, rows)
        return {"loss": jax.vmap(cross_entropy)(logits, rows["y"]), "accuracy": _is_right(logits, rows["y"])}

    return Task(init, loss, evaluate)


def _unpack(batch: Batch) -> tuple[dict[str, jax.Array], jax.Array]:
    """The rows, padding blanked, and their mask [B]."""
    mask = batch.get("mask")
    mask = jnp.ones(batch["y"].shape, jnp.float32) if mask is None else mask
    token_mask = batch.get("token_mask")
    token_mask = jnp.ones(batch["x"].shape, jnp.float32) if token_mask is None else token_mask
    return blank_padding({"x": batch["x"], "token_mask": token_mask, "y": batch["y"]}, mask), mask


def _is_right(logits: jax.Array, y: jax.Array) -> jax.Array:
    return (jnp.argmax(logits, axis=-1) == y).astype(jnp.float32)
