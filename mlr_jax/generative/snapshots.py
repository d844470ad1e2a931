"""Pictures of a run while it learns: a learner whose state keeps what it drew at even distances."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.core.types import Batch, Hypers, Key, Learner, Metrics, State


class SnapshotState(NamedTuple):
    """The wrapped learner's state, and what was drawn so far, with leaves [count, ...]: zeros where nothing yet."""

    inner: State
    taken: Any


def snapshots(learner: Learner, draw: Callable[[State], Any], *, every: int, count: int) -> Learner:
    """`learner`, and `draw(state)` kept after steps `every`, 2 `every`, ..., `count` `every`.

    What is drawn is part of the state: it is there after a run that was interrupted too. The learner's state must have
    a field `step`. Side by side (`core/sweep.py`) members draw at every step, since they share what is computed: keep
    it small, or let them run one after another. Raises ValueError for numbers that are not positive.
    """
    if every < 1 or count < 1:
        raise ValueError(f"snapshots: got every={every} and count={count}, both must be at least 1")

    def init(key: Key, hypers: Hypers) -> SnapshotState:
        inner = learner.init(key, hypers)
        drawn = jax.eval_shape(draw, inner)
        return SnapshotState(inner, jax.tree.map(lambda leaf: jnp.zeros((count, *leaf.shape), leaf.dtype), drawn))

    def step(state: SnapshotState, batch: Batch) -> tuple[SnapshotState, Metrics]:
        inner, metrics = learner.step(state.inner, batch)
        place, rest = inner.step // every - 1, inner.step % every

        def keep(taken: Any) -> Any:
            return jax.tree.map(lambda leaf, new: leaf.at[place].set(new), taken, draw(inner))

        is_time = (rest == 0) & (place < count)
        return SnapshotState(inner, lax.cond(is_time, keep, lambda taken: taken, state.taken)), metrics

    return Learner(init, step, lambda state, batch: learner.evaluate(state.inner, batch))
