import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse.linalg
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

from mlr_jax.foundations.conjugate_gradient import conjugate_gradient

rng = np.random.default_rng(0)
BASIS = np.linalg.qr(rng.normal(size=(8, 8))).Q
B = rng.normal(size=8)


def with_values(*values):
    """A symmetric matrix of these eigenvalues."""
    return BASIS @ np.diag(values) @ BASIS.T


@jax.jit
def solve(a, b, start=None, tolerance=1e-10):
    return conjugate_gradient(lambda x: a @ x, b, start, tolerance=tolerance)


def test_it_solves_and_takes_the_steps_of_scipy(x64):
    a = with_values(*np.linspace(1, 50, 8))
    solution = solve(a, B)
    theirs = jax.scipy.sparse.linalg.cg(lambda x: a @ x, B, tol=1e-10)[0]
    steps = []
    expected, _ = scipy.sparse.linalg.cg(a, B, rtol=1e-10, callback=steps.append)
    assert solution.converged
    assert solution.iterations == len(steps) <= 9
    np.testing.assert_allclose(solution.x, np.linalg.solve(a, B), rtol=1e-9)
    np.testing.assert_allclose(solution.x, expected, rtol=1e-9)
    np.testing.assert_allclose(solution.x, theirs, rtol=1e-9)
    np.testing.assert_allclose(solution.residual_norm, np.linalg.norm(B - a @ solution.x), atol=1e-12)


def test_as_many_steps_as_there_are_distinct_eigenvalues(x64):
    for values, steps in [((2,) * 8, 1), ((1, 9) * 4, 2), ((1, 4, 9, 9) * 2, 3)]:
        assert solve(with_values(*values), B).iterations == steps


def test_a_good_start_and_a_zero_right_hand_side_need_no_step(x64):
    a = with_values(*range(1, 9))
    assert solve(a, B, np.linalg.solve(a, B)).iterations == 0
    nothing = solve(a, np.zeros(8))
    assert nothing.converged
    np.testing.assert_array_equal(nothing.x, np.zeros(8))
    np.testing.assert_allclose(solve(a, B, rng.normal(size=8)).x, np.linalg.solve(a, B), rtol=1e-8)


def test_a_singular_system_with_a_solution_is_solved(x64):
    a = with_values(0, 0, 1, 2, 3, 4, 5, 6)
    solution = solve(a, a @ B)
    assert solution.converged
    np.testing.assert_allclose(solution.x, np.linalg.pinv(a) @ a @ B, atol=1e-9)


@pytest.mark.parametrize(
    "a", [with_values(-1, 1, 2, 3, 4, 5, 6, 7), -np.eye(8), np.zeros((8, 8)), np.triu(np.ones((8, 8)), 1) - 1]
)
def test_what_is_not_positive_definite_ends_unconverged_and_finite(a, x64):
    solution = solve(a, B)
    assert not solution.converged
    assert np.isfinite(solution.x).all()


def test_iterations_can_be_limited_and_ill_conditioning_needs_more_than_n():
    a = with_values(*np.logspace(-4, 4, 8)).astype(np.float32)
    a, b = (a + a.T) / 2, B.astype(np.float32)
    few = jax.jit(lambda b: conjugate_gradient(lambda x: a @ x, b, max_iterations=3))(b)
    assert (few.iterations, few.converged) == (3, False)
    assert solve(a, b, tolerance=1e-4).iterations > 8


def test_ridge_regression_without_ever_forming_the_gram_matrix(x64):
    x, y = load_diabetes(return_X_y=True)
    x, y = x - x.mean(axis=0), y - y.mean()

    def fit(alpha):
        return conjugate_gradient(lambda w: x.T @ (x @ w) + alpha * w, x.T @ y, tolerance=1e-10).x

    alphas = np.array([0.01, 1.0, 100.0])
    coefficients = jax.jit(jax.vmap(fit))(alphas)
    for alpha, w in zip(alphas, coefficients, strict=True):
        np.testing.assert_allclose(w, Ridge(alpha, fit_intercept=False).fit(x, y).coef_, rtol=1e-7)


def test_it_is_the_solver_of_a_differentiable_solution():
    a = jnp.asarray(with_values(*range(1, 9)), jnp.float32)
    b = jnp.asarray(B, jnp.float32)

    def through(scale, product_solver):
        return jnp.sum(jnp.sin(product_solver(scale * a)))

    def by_gradients(a):
        return jax.lax.custom_linear_solve(lambda x: a @ x, b, lambda p, b: conjugate_gradient(p, b).x, symmetric=True)

    ours = jax.jit(jax.grad(lambda scale: through(scale, by_gradients)))(2.0)
    np.testing.assert_allclose(ours, jax.grad(lambda s: through(s, lambda a: jnp.linalg.solve(a, b)))(2.0), rtol=1e-4)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"b, start: got shapes \(2, 2\)"):
        conjugate_gradient(lambda x: x, np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"got shapes \(2,\) and \(3,\)"):
        conjugate_gradient(lambda x: x, np.zeros(2), np.zeros(3))
