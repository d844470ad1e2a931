"""Averaged parameters: train with the fast ones, evaluate with their moving average."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Batch, Hypers, Key, Learner, Metrics, State


class EmaState(NamedTuple):
    """The wrapped learner's state, and the average of its parameters."""

    inner: State
    average: Any

    @property
    def step(self) -> jax.Array:
        """That of the wrapped learner."""
        return self.inner.step


def ema(learner: Learner, decay: float) -> Learner:
    """Keeps an exponential moving average of the parameters and evaluates with it (Polyak & Juditsky, 1992).

    a_0 = theta_0,  a_{t+1} = decay a_t + (1 - decay) theta_{t+1}

    The learner's state must have a field `params`. Raises ValueError for a decay outside [0, 1).
    """
    if not 0.0 <= decay < 1.0:
        raise ValueError(f"ema decay: got {decay}, must be in [0, 1)")

    def init(key: Key, hypers: Hypers) -> EmaState:
        inner = learner.init(key, hypers)
        # A copy: a state that holds one buffer twice cannot be donated.
        return EmaState(inner, jax.tree.map(jnp.copy, inner.params))

    def step(state: EmaState, batch: Batch) -> tuple[EmaState, Metrics]:
        inner, metrics = learner.step(state.inner, batch)
        average = jax.tree.map(lambda a, p: decay * a + (1.0 - decay) * p, state.average, inner.params)
        return EmaState(inner, average), metrics

    def evaluate(state: EmaState, batch: Batch) -> Metrics:
        return learner.evaluate(state.inner._replace(params=state.average), batch)

    return Learner(init, step, evaluate)
