import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import Hypers, descent, descent_by_hand, least_squares, rows

from mlr_jax.core.ema import ema
from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.scan import repeat

learner = gradient_learner(least_squares, descent)


def test_the_average_follows_its_recurrence_and_training_does_not_see_it():
    averaged, batch = ema(learner, 0.75), rows(8)
    state = averaged.init(jax.random.key(0), Hypers(0.1))
    step = jax.jit(averaged.step)
    average = np.array(state.inner.params["w"])
    for w in descent_by_hand(average, [batch] * 5, 0.1):
        state, _ = step(state, batch)
        average = 0.75 * average + 0.25 * w
        np.testing.assert_allclose(state.inner.params["w"], w, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(state.average["w"], average, rtol=1e-4, atol=1e-6)


def test_evaluation_uses_the_average():
    averaged, batch = ema(learner, 0.9), rows(8)
    state = averaged.init(jax.random.key(0), Hypers())._replace(average={"w": jnp.array([1.0, 2.0, 3.0])})
    expected = (batch["x"] @ np.array([1, 2, 3]) - batch["y"]) ** 2
    np.testing.assert_allclose(averaged.evaluate(state, batch)["loss"], expected, rtol=1e-5)


def test_a_first_state_made_without_compilation_can_be_donated():
    state = ema(learner, 0.5).init(jax.random.key(0), Hypers())
    after, _ = repeat(ema(learner, 0.5), 2)(state, rows(8))
    assert np.isfinite(after.average["w"]).all()


@pytest.mark.parametrize("decay", [-0.1, 1.0, 1.5, float("nan")])
def test_decay_must_be_at_least_0_and_below_1(decay):
    with pytest.raises(ValueError, match=r"ema decay: got .*, must be in \[0, 1\)"):
        ema(learner, decay)
