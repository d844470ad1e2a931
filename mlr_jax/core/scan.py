"""Many steps in one compiled call: the loop runs on the device, and the host is asked nothing in between.

Both functions return a compiled `state, data -> state after n steps, metrics with leaves [n, ...]`. It takes the memory
of the state that it is given: use that state no more.
"""

import jax
from jax import lax

from mlr_jax.core.types import Batch, Learner, Loop, Metrics, State


def scan(learner: Learner, n: int) -> jax.stages.Wrapped:
    """n steps, each on a batch of its own: `batches` has leaves [n, B, ...]."""

    def run(state: State, batches: Batch) -> tuple[State, Metrics]:
        return _looped(learner, lambda step, state: lax.scan(step, state, batches, length=n), state)

    return jax.jit(run, donate_argnums=0)


def repeat(learner: Learner, n: int) -> jax.stages.Wrapped:
    """n steps, all given the same `batch`: resident data, full-batch methods, and (with None) agents.

    The data is an argument and not a constant of the program: constants would be written into the compiled code.
    """

    def run(state: State, batch: Batch) -> tuple[State, Metrics]:
        return _looped(
            learner, lambda step, state: lax.scan(lambda state, _: step(state, batch), state, None, length=n), state
        )

    return jax.jit(run, donate_argnums=0)


def _looped(learner: Learner, loop: Loop, state: State) -> tuple[State, Metrics]:
    return loop(learner.step, state) if learner.looped is None else learner.looped(loop, state)
