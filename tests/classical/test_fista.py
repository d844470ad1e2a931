"""FISTA on quadratics with a simple term, beside solutions in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import nnls

from mlr_jax.classical import fista

RNG = np.random.default_rng(0)
ROWS, TARGET = RNG.normal(size=(40, 5)) * [1, 0.5, 3, 1, 0.2], RNG.normal(size=40)
A, B = ROWS.T @ ROWS, ROWS.T @ TARGET
TRACE = np.trace(A)


def run(proximal, iterations, lipschitz=1.0, most=TRACE):
    state = fista.init(jnp.zeros(5), -jnp.asarray(B), jnp.asarray(lipschitz))

    def body(state, _):
        state = fista.step(lambda u: A @ u - B, proximal, state, most)
        return state, state

    return jax.jit(lambda state: jax.lax.scan(body, state, length=iterations))(state)


def test_without_another_term_it_solves_the_system():
    with jax.enable_x64(True):
        state, _ = run(lambda v, t: v, 400)
        np.testing.assert_allclose(state.point, np.linalg.solve(A, B), rtol=1e-8)
        np.testing.assert_allclose(state.gradient, A @ state.point - B, atol=1e-9)


def test_projected_to_what_is_not_negative_it_equals_nonnegative_least_squares():
    with jax.enable_x64(True):
        state, _ = run(lambda v, t: jnp.maximum(v, 0.0), 400)
        np.testing.assert_allclose(state.point, nnls(ROWS, TARGET)[0], atol=1e-9)


@pytest.mark.parametrize("lipschitz", [1e-3, 1.0, 1e4])
def test_any_first_guess_of_the_curvature_will_do_and_its_bound_is_kept(lipschitz):
    with jax.enable_x64(True):
        greatest = np.linalg.eigvalsh(A)[-1]
        state, history = run(lambda v, t: v, 3000, lipschitz, most=1.05 * greatest)
        np.testing.assert_allclose(state.point, np.linalg.solve(A, B), rtol=1e-6)
        assert (np.diff(history.lipschitz) >= 0).all()
        assert state.lipschitz <= max(1.05 * greatest, lipschitz)


def test_a_move_along_which_the_curvature_is_greater_is_made_anew():
    with jax.enable_x64(True):
        first, _ = run(lambda v, t: v, 1, lipschitz=1e-3)
        np.testing.assert_array_equal(first.point, 0.0)
        assert first.lipschitz > 1e-3


def test_momentum_makes_it_faster_than_proximal_gradient_descent():
    with jax.enable_x64(True):
        greatest, solution = np.linalg.eigvalsh(A)[-1], np.linalg.solve(A, B)
        state, _ = run(lambda v, t: v, 150, lipschitz=greatest)
        point = np.zeros(5)
        for _ in range(150):
            point = point - (A @ point - B) / greatest
        assert np.linalg.norm(state.point - solution) < 0.1 * np.linalg.norm(point - solution)
