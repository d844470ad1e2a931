"""Data on the accelerator: batches are drawn inside the compiled loop, and the host is not in it at all."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Batch, Hypers, Key, Learner, Metrics, State
from mlr_jax.ops.permutation import permute


class OnDeviceState(NamedTuple):
    """The wrapped learner's state, and where it is in its own order of the data: epoch [], position [], a key."""

    inner: State
    key: Key
    epoch: jax.Array
    position: jax.Array


def on_device(learner: Learner, batch_size: int) -> Learner:
    """A learner whose step is given the whole set, and draws `batch_size` rows of it for the wrapped learner.

    The order is a new permutation for each epoch and each key: every row is seen once an epoch, a batch may straddle
    two epochs, and each member of a sweep has an order of its own. The data is an argument of `step` (see
    `core/scan.py: repeat`), shared by all members. `evaluate` is the wrapped learner's.

    Raises ValueError for a batch size outside 1 to the number of rows.
    """

    def init(key: Key, hypers: Hypers) -> OnDeviceState:
        inner_key, order_key = jax.random.split(key)
        return OnDeviceState(learner.init(inner_key, hypers), order_key, jnp.int32(0), jnp.int32(0))

    def step(state: OnDeviceState, data: Batch) -> tuple[OnDeviceState, Metrics]:
        rows = jax.tree.leaves(data)[0].shape[0]
        if not 1 <= batch_size <= rows:
            raise ValueError(f"batch_size: got {batch_size}, allowed are 1 to the {rows} rows of the data")
        position = state.position + jnp.arange(batch_size, dtype=jnp.int32)
        is_next_epoch = (position >= rows).astype(jnp.int32)
        chosen = permute(state.key, state.epoch + is_next_epoch, position - rows * is_next_epoch, rows)
        inner, metrics = learner.step(state.inner, jax.tree.map(lambda leaf: leaf[chosen], data))
        end = state.position + batch_size
        is_done = (end >= rows).astype(jnp.int32)
        return OnDeviceState(inner, state.key, state.epoch + is_done, end - rows * is_done), metrics

    def evaluate(state: OnDeviceState, batch: Batch) -> Metrics:
        return learner.evaluate(state.inner, batch)

    return Learner(init, step, evaluate)
