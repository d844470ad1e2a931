"""L-BFGS on functions whose minimum is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from mlr_jax.classical import lbfgs

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(30, 6)) * np.logspace(-1, 1, 6)
SIGNS = np.where(RNG.normal(size=30) > 0, 1.0, -1.0)


def logistic(point):
    """The binary logistic loss of ROWS and SIGNS, with its gradient and the diagonal of its Hessian."""
    margin = SIGNS * (ROWS @ point)
    p = jax.nn.sigmoid(-margin)
    return lbfgs.Evaluation(
        jnp.sum(jnp.logaddexp(0, -margin)), -(ROWS * SIGNS[:, None]).T @ p, (ROWS**2).T @ (p * (1 - p))
    )


def run(loss, penalty, state, iterations):
    """The state after some iterations, and F after each."""

    def body(state, _):
        state = lbfgs.step(loss, penalty, state)
        return state, lbfgs.total_value(penalty, state.point, state.loss)

    return jax.jit(lambda state: jax.lax.scan(body, state, length=iterations))(state)


@pytest.mark.parametrize("memory", [1, 5])
def test_reaches_the_minimum_that_scipy_finds_and_never_rises(memory):
    with jax.enable_x64(True):
        penalty = jnp.full(6, 0.3)
        state, values = run(logistic, penalty, lbfgs.init(jnp.zeros(6), memory), 60)

        def objective(w):
            return np.logaddexp(0, -SIGNS * (ROWS @ w)).sum() + 0.15 * w @ w

        expected = minimize(objective, np.zeros(6), tol=1e-12, method="BFGS", options={"gtol": 1e-9})
        np.testing.assert_allclose(state.point, expected.x, atol=1e-6)
        assert np.max(np.abs(lbfgs.total_gradient(penalty, state.point, state.loss))) < 1e-8
        assert (np.diff(values) <= 1e-12).all()


def test_the_first_iteration_evaluates_the_start_and_the_second_steps_along_the_metric():
    start, penalty = jnp.full(6, 0.1), jnp.full(6, 0.3)
    first = lbfgs.step(logistic, penalty, lbfgs.init(start, 3))
    there = logistic(start)
    np.testing.assert_array_equal(first.point, start)
    np.testing.assert_allclose(first.loss.value, there.value, rtol=1e-6)
    expected = -(there.gradient + 0.3 * start) / (there.curvature + 0.3)
    np.testing.assert_allclose(first.direction, expected, rtol=1e-5)
    assert not np.any(first.moves)


def test_a_step_that_rises_is_shortened_and_tried_again():
    def steep(point):  # x⁴ with a diagonal that promises far too much
        return lbfgs.Evaluation(jnp.sum(point**4), 4 * point**3, jnp.full_like(point, 0.1))

    state = lbfgs.step(steep, jnp.zeros(1), lbfgs.init(jnp.ones(1), 3))
    tried = lbfgs.step(steep, jnp.zeros(1), state)
    np.testing.assert_array_equal(tried.point, state.point)
    np.testing.assert_array_equal(tried.direction, state.direction)
    assert 0.1 <= tried.step_size <= 0.5
    state, values = run(steep, jnp.zeros(1), state, 40)
    assert values[-1] < 1e-6


def test_overflow_is_stepped_back_from():
    def wall(point):
        return lbfgs.Evaluation(jnp.sum(jnp.exp(point) - point), jnp.exp(point) - 1, jnp.full_like(point, 1e-3))

    state, _ = run(wall, jnp.zeros(1), lbfgs.init(jnp.full(1, -3.0), 3), 60)
    np.testing.assert_allclose(state.point, 0.0, atol=1e-3)


def test_moves_hold_for_another_penalty():
    """At the distance of the last move from the minimum, of whatever penalty, the direction is back along that move."""
    with jax.enable_x64(True):
        hessian = jnp.array([[2.0, 0.5], [0.5, 1.0]])

        def quadratic(point):
            return lbfgs.Evaluation(
                point @ hessian @ point / 2 - jnp.sum(point), hessian @ point - 1.0, jnp.diagonal(hessian)
            )

        state, _ = run(quadratic, jnp.zeros(2), lbfgs.init(jnp.array([3.0, -2.0]), 4), 4)
        move, other = state.moves[-1], jnp.full(2, 0.7)
        minimum = jnp.linalg.solve(hessian + 0.7 * jnp.eye(2), jnp.ones(2))
        moved = lbfgs.step(quadratic, other, lbfgs.move_to(minimum + move, state))
        np.testing.assert_allclose(moved.direction, -move, rtol=1e-9)
        fresh = lbfgs.step(quadratic, other, lbfgs.init(minimum + move, 4))
        assert np.max(np.abs(fresh.direction + move)) > 1e-3 * np.max(np.abs(move))


def test_says_that_steps_have_become_too_short():
    state = lbfgs.init(jnp.zeros(2), 2)
    assert not lbfgs.is_stuck(state)
    assert lbfgs.is_stuck(state._replace(step_size=jnp.float32(1e-9)))
