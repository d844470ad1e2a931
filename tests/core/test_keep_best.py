from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.keep_best import keep_best
from mlr_jax.core.sweep import sweep
from mlr_jax.core.types import Learner

LOSSES = np.array([5, 3, 4, 3, np.nan, 2, 6, 1.5, 7], np.float32)
ERRORS = np.array([0.5, 0.5, 0.1, 0.4, 0.0, 0.3, 0.1, 0.1, 0.0], np.float32)


class Counter(NamedTuple):
    """A state that is its own number of steps, and where it starts to read the scores."""

    steps: jax.Array
    offset: jax.Array


def read(state, batch):
    """The scores of the step that the state has reached."""
    index = state.steps - 1 + state.offset
    return {"loss": batch["loss"][index], "error": batch["error"][index]}


learner = Learner(
    init=lambda key, hypers: Counter(jnp.int32(0), jnp.int32(hypers)),
    step=lambda state, batch: (state._replace(steps=state.steps + 1), {"reached": state.steps + 1}),
    evaluate=lambda state, batch: {"steps": jnp.full(3, state.steps)},
)
BATCH = {"loss": jnp.array(LOSSES), "error": jnp.array(ERRORS)}


def best_steps(names, offset=0):
    kept = keep_best(learner, read, names)
    state, found = kept.init(jax.random.key(0), offset), []
    step = jax.jit(kept.step)
    for _ in range(len(LOSSES) - offset):
        state, metrics = step(state, BATCH)
        assert state.best.steps == state.best_step == metrics["best_step"]
        found.append(int(state.best_step))
    assert metrics["validation_loss"] == LOSSES[-1]
    return found, kept, state


def test_the_last_step_of_the_least_loss_is_kept_and_nan_is_never_good():
    assert best_steps(("loss",))[0] == [1, 2, 2, 4, 4, 6, 6, 8, 8]


def test_with_two_scores_both_must_be_as_good_as_ever_each_followed_on_its_own():
    loss, error, best, expected = np.inf, np.inf, 0, []
    for index, (this_loss, this_error) in enumerate(zip(LOSSES, ERRORS, strict=True)):
        if this_loss <= loss and this_error <= error:
            best = index + 1
        loss, error = np.fmin(loss, this_loss), min(error, this_error)
        expected.append(best)
    assert best_steps(("loss", "error"))[0] == expected
    assert len(set(expected)) > 1


def test_evaluation_is_of_the_best_and_of_the_last():
    _, kept, state = best_steps(("loss",))
    values = kept.evaluate(state, BATCH)
    np.testing.assert_array_equal(values["steps"], [8, 8, 8])
    np.testing.assert_array_equal(values["final_steps"], [9, 9, 9])


def test_without_a_good_step_the_first_state_is_kept():
    kept = keep_best(learner, lambda state, batch: {"loss": jnp.float32(jnp.nan)})
    state, metrics = kept.step(kept.init(jax.random.key(0), 0), BATCH)
    assert (state.best.steps, metrics["best_step"], state.inner.steps) == (0, 0, 1)


def test_each_member_of_a_sweep_keeps_its_own_step():
    swept = sweep(keep_best(learner, read))
    state = jax.jit(swept.init)(jax.random.split(jax.random.key(0), 3), jnp.arange(3))
    for _ in range(6):
        state, _ = swept.step(state, BATCH)
    expected = [best_steps(("loss",), offset)[0][5] for offset in range(3)]
    np.testing.assert_array_equal(state.best_step, expected)
