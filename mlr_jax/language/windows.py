"""Text on the device: the windows that a language model reads are drawn inside the compiled loop."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Batch, Hypers, Key, Learner, Metrics, State


class WindowsState(NamedTuple):
    """The wrapped learner's state, and the key and the number of the next draw."""

    inner: State
    key: Key
    draw: jax.Array


def random_windows(learner: Learner, batch_size: int, context: int) -> Learner:
    """A learner whose step is given a whole text, tokens [N], and draws windows of it for the wrapped learner.

    Each of the `batch_size` windows begins anywhere: x = tokens [t, t + context) and y the same one place on, [B, T].
    Members of a sweep draw their own. `evaluate` is the wrapped learner's.

    Raises ValueError for a text that is not longer than a window, and for windows or batches of nothing.
    """
    if batch_size < 1 or context < 1:
        raise ValueError(f"batch_size, context: got {batch_size}, {context}; both must be at least 1")

    def init(key: Key, hypers: Hypers) -> WindowsState:
        inner_key, draw_key = jax.random.split(key)
        return WindowsState(learner.init(inner_key, hypers), draw_key, jnp.int32(0))

    def step(state: WindowsState, tokens: jax.Array) -> tuple[WindowsState, Metrics]:
        count = tokens.shape[0] - context
        if count < 1:
            raise ValueError(f"context: got {context}, a text of {tokens.shape[0]} tokens has no window of it")
        starts = jax.random.randint(jax.random.fold_in(state.key, state.draw), (batch_size,), 0, count)
        windows = tokens[starts[:, None] + jnp.arange(context + 1)[None]].astype(jnp.int32)
        inner, metrics = learner.step(state.inner, {"x": windows[:, :-1], "y": windows[:, 1:]})
        return WindowsState(inner, state.key, state.draw + 1), metrics

    def evaluate(state: WindowsState, batch: Batch) -> Metrics:
        return learner.evaluate(state.inner, batch)

    return Learner(init, step, evaluate)
