"""Recurrent language modelling by truncated backpropagation through time.

The gradient goes back to the beginning of a window and no further (Williams & Peng, 1990), but what the network carries
goes on: it remembers for longer than it is told to.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.core.collectives import DATA_AXIS, data_axis_is_mapped
from mlr_jax.core.types import Batch, Key, Metrics, Task, Variables
from mlr_jax.language.causal_lm import Hypers, causal_lm
from mlr_jax.nn.recurrent_lm import RecurrentLM
from mlr_jax.nn.rnn import Carry
from mlr_jax.ops.masked import blank_padding, masked_mean
from mlr_jax.ops.vocabulary import token_losses


def recurrent_lm(model: RecurrentLM, rows: int, *, chunk: int | None = None) -> Task:
    """The task of minimising the mean over tokens of -log p(y_t | x_1 ... x_t), in nats, each row read on and on.

    Batches hold x and y [B, T] int, B = `rows`, and starts [B], True where a row does not go on from that of the batch
    before (`language/streams.py` makes them); they may hold mask [B]. What is carried from one to the next is the
    collection "carried" of the variables, so a checkpoint holds it. `chunk`: as of `causal_lm`.

    Training metrics: accuracy. Evaluation is that of `causal_lm`: each row begins from nothing.
    """

    def init(key: Key) -> Variables:
        variables = model.init({"params": key}, jnp.zeros((1, 1), jnp.int32))
        return {"params": variables["params"], "carried": {"carry": model.apply(variables, rows, method="initial")}}

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        mask = batch.get("mask")
        mask = jnp.ones(len(batch["x"])) if mask is None else mask
        x, y, starts = blank_padding((batch["x"], batch["y"], batch["starts"]), mask)
        only_first = jnp.arange(x.shape[1])[None] == 0
        params = {"params": variables["params"]}
        carry = _own_rows(variables["carried"]["carry"])
        options: Any = {"train": True, "method": "read", "rngs": {"dropout": key}}
        read: Any = model.apply(params, carry, x, only_first & (starts > 0)[:, None], **options)
        carry, features = read
        flat = features.reshape(-1, features.shape[-1]), y.reshape(-1)
        losses, hits = token_losses(lambda part: _logits(model, params, part), *flat, chunk=chunk)
        weight = jnp.repeat(mask, x.shape[1])
        updated = {**variables, "carried": {"carry": _all_rows(lax.stop_gradient(carry))}}
        return masked_mean(losses, weight), (updated, {"accuracy": masked_mean(hits, weight)})

    def evaluate(variables: Variables, batch: Batch) -> Metrics:
        return causal_lm(model, chunk=chunk).evaluate({"params": variables["params"]}, batch)

    return Task(init, loss, evaluate)


def gradient_by_lag(model: RecurrentLM, variables: Variables, tokens: jax.Array) -> jax.Array:
    """How much the loss of the last token depends on each token before it: tokens [B, T + 1] -> [T].

    Entry k is the root mean square over rows of || d (-log p(x_{T+1} | x_1 ... x_T)) / d e_{T-k} ||, e_t the embedding
    of x_t. Where a network forgets, it falls exponentially with k (Hochreiter, 1991; Bengio et al., 1994).
    """
    params = {"params": variables["params"]}
    x, y = tokens[:, :-1], tokens[:, -1]
    embedded: Any = model.apply(params, x, method="embed")

    def last_loss(embedded: jax.Array) -> jax.Array:
        nothing: Any = model.apply(params, len(x), method="initial")
        read: Any = model.apply(params, nothing, embedded, None, None, method="read_embedded")
        return jnp.sum(token_losses(lambda part: _logits(model, params, part), read[1][:, -1], y)[0])

    gradient = jax.grad(last_loss)(embedded)
    greatest = jnp.maximum(jnp.max(jnp.abs(gradient), axis=(0, 2)), jnp.finfo(gradient.dtype).tiny)
    scaled = gradient / greatest[None, :, None]  # squares of numbers as small as these would be nothing
    return (greatest * jnp.sqrt(jnp.sum(jnp.square(scaled), axis=(0, 2)) / len(x)))[::-1]


def _logits(model: RecurrentLM, params: Variables, features: jax.Array) -> jax.Array:
    logits: Any = model.apply(params, features, method="logits")
    return logits


def _own_rows(carry: Carry) -> Carry:
    """Where each device has rows of its own, what is carried for them: the state is a copy of all on each."""
    if not data_axis_is_mapped():
        return carry
    index, devices = lax.axis_index(DATA_AXIS), lax.axis_size(DATA_AXIS)
    rows = jax.tree.leaves(carry)[0].shape[0] // devices
    return jax.tree.map(lambda leaf: lax.dynamic_slice_in_dim(leaf, index * rows, rows), carry)


def _all_rows(carry: Carry) -> Carry:
    return lax.all_gather(carry, DATA_AXIS, tiled=True) if data_axis_is_mapped() else carry
