"""A text on the device as streams side by side, each read on from where the step before ended."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Batch, Hypers, Key, Learner, Metrics, State


class StreamsState(NamedTuple):
    """The wrapped learner's state; a key, the epoch and the step in it: where in the text the streams are."""

    inner: State
    key: Key
    epoch: jax.Array
    position: jax.Array


def streams(learner: Learner, rows: int, length: int) -> Learner:
    """A learner whose step is given a whole text, tokens [N], and reads `rows` pieces of it on for the wrapped one.

    The text is cut into B = `rows` pieces of the same length, and step k gives tokens [k T, (k + 1) T) of each: x and,
    one place on, y, [B, T], and starts [B], True where the pieces begin. After (N - T) // (B T) steps they begin anew,
    each epoch some tokens further on or back. Row b of a step goes on where row b of the step before has ended: what a
    recurrent network carries from there is right. `evaluate` is the wrapped learner's.

    Raises ValueError for streams of nothing and for a text too short for a step.
    """
    if rows < 1 or length < 1:
        raise ValueError(f"rows, length: got {rows}, {length}; both must be at least 1")

    def init(key: Key, hypers: Hypers) -> StreamsState:
        inner_key, own_key = jax.random.split(key)
        return StreamsState(learner.init(inner_key, hypers), own_key, jnp.int32(0), jnp.int32(0))

    def step(state: StreamsState, tokens: jax.Array) -> tuple[StreamsState, Metrics]:
        count = tokens.shape[0]
        steps = (count - length) // (rows * length)
        if steps < 1:
            least = (rows + 1) * length
            raise ValueError(f"rows, length: got {rows}, {length}; a text of {count} tokens is shorter than {least}")
        slack = count - 1 - rows * steps * length
        first = jax.random.randint(jax.random.fold_in(state.key, state.epoch), (), 0, slack + 1)
        begins = first + jnp.arange(rows) * steps * length + state.position * length
        piece = tokens[begins[:, None] + jnp.arange(length + 1)[None]].astype(jnp.int32)
        starts = jnp.full(rows, state.position == 0)
        inner, metrics = learner.step(state.inner, {"x": piece[:, :-1], "y": piece[:, 1:], "starts": starts})
        position = state.position + 1
        is_done = position == steps
        return StreamsState(inner, state.key, state.epoch + is_done, jnp.where(is_done, 0, position)), metrics

    def evaluate(state: StreamsState, batch: Batch) -> Metrics:
        return learner.evaluate(state.inner, batch)

    return Learner(init, step, evaluate)
