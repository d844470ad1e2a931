"""The best step of a run, chosen by a validation score inside the compiled program.

Early stopping on the host (`--patience`) sees the state between chunks, and stops all members of a sweep at once. Here
each member keeps the state of its own best step, so a sweep of a hundred runs is still one program.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Batch, Hypers, Key, Learner, Metrics, State

Score = Callable[[State, Batch], Metrics]
"""state, batch -> named scores [] float32, each the lower the better."""


class KeptState(NamedTuple):
    """The wrapped learner's state now and at its best step; the steps taken, the best of them, the least scores."""

    inner: State
    best: State
    step: jax.Array
    best_step: jax.Array
    least: Metrics


def keep_best(learner: Learner, score: Score, names: tuple[str, ...] = ("loss",)) -> Learner:
    """A learner that keeps the state of the last step at which no score was worse than ever before, and evaluates it.

    score: of the state after a step, on validation rows that stand in the step's batch; returns `names`. With two
    of them, loss and error, this is the rule of Veličković et al. (2018): the state is kept where both are as good
    as the least seen so far, each of which is followed on its own. A score that is NaN is never good.

    Metrics of `step`: the wrapped learner's, the scores as "validation_NAME", and the best step (0 before there is
    one, when the first state is kept). `evaluate`: the wrapped learner's metrics of the best state, and those of the
    last one as "final_NAME".
    """

    def init(key: Key, hypers: Hypers) -> KeptState:
        inner = learner.init(key, hypers)
        zero, worst = jnp.int32(0), {name: jnp.float32(jnp.inf) for name in names}
        return KeptState(inner, jax.tree.map(jnp.copy, inner), zero, zero, worst)

    def step(state: KeptState, batch: Batch) -> tuple[KeptState, Metrics]:
        inner, metrics = learner.step(state.inner, batch)
        scores = score(inner, batch)
        count = state.step + 1
        is_best = jnp.all(jnp.stack([scores[name] <= state.least[name] for name in names]))
        best = jax.tree.map(lambda new, old: jnp.where(is_best, new, old), inner, state.best)
        best_step = jnp.where(is_best, count, state.best_step)
        least = {name: jnp.fmin(state.least[name], scores[name]) for name in names}
        validation = {f"validation_{name}": scores[name] for name in names}
        return KeptState(inner, best, count, best_step, least), {**metrics, **validation, "best_step": best_step}

    def evaluate(state: KeptState, batch: Batch) -> Metrics:
        final = {f"final_{name}": value for name, value in learner.evaluate(state.inner, batch).items()}
        return {**learner.evaluate(state.best, batch), **final}

    return Learner(init, step, evaluate)
