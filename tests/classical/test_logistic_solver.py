"""Principal axes and the path of C."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import datasets

from mlr_jax.classical import lbfgs, logistic_solver, multinomial
from mlr_jax.classical.logistic import Hypers, fit
from mlr_jax.classical.logistic_solver import (
    from_principal_axes,
    in_principal_axes,
    penalty_of,
    solver,
    to_principal_axes,
)

X, Y = datasets.load_wine(return_X_y=True)
WEIGHT = np.random.default_rng(0).uniform(0, 2, len(Y)).round()


def problem_of(fit_intercept=True):
    return in_principal_axes(jnp.asarray(X), jnp.asarray(Y), jnp.asarray(WEIGHT), fit_intercept)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_in_principal_axes_logits_and_penalty_stay_and_columns_are_uncorrelated(fit_intercept):
    with jax.enable_x64(True):
        problem = problem_of(fit_intercept)
        z = problem.rows.x[:, :13]
        second = (z * problem.rows.share[:, None]).T @ z
        np.testing.assert_allclose(second, np.diag(np.diag(second)), atol=1e-9 * second.max())
        theta = jnp.asarray(np.random.default_rng(1).normal(size=(3, problem.rows.x.shape[1])))
        coefficients, intercept = from_principal_axes(theta, problem)
        logits, turned = X @ coefficients + intercept[None], multinomial.logits_of(problem.rows, theta, 3).T
        difference = logits - turned  # softmax knows logits up to a number for each row
        np.testing.assert_allclose(difference - difference[:, :1], 0.0, atol=1e-8)
        np.testing.assert_allclose(jnp.sum(coefficients**2), jnp.sum(theta[:, :13] ** 2))
        back = to_principal_axes(coefficients, intercept, problem)
        np.testing.assert_allclose(back[:, :13], theta[:, :13], atol=1e-10)


def test_the_intercept_is_not_penalised():
    with jax.enable_x64(True):
        penalty = penalty_of(problem_of(), jnp.asarray(0.5))
        np.testing.assert_allclose(penalty[0, :13], 1 / (0.5 * WEIGHT.sum()))
        assert penalty[0, 13] == 0.0


def test_the_same_solution_without_turning_the_axes(monkeypatch):
    with jax.enable_x64(True):
        turned = fit(Hypers(0.1, 1e-9), X, Y, WEIGHT, num_classes=3)
        monkeypatch.setattr(logistic_solver, "MOST_AXES", 5)
        assert problem_of().axes is None
        plain = fit(Hypers(0.1, 1e-9), X, Y, WEIGHT, num_classes=3, initial=turned)
        np.testing.assert_allclose(plain.coefficients, turned.coefficients, rtol=1e-5, atol=1e-7)
        assert plain.converged
        assert plain.iterations <= 3


def test_a_path_needs_fewer_iterations_than_fits_alone_and_meets_the_same_tolerance():
    with jax.enable_x64(True):
        iris, species = datasets.load_iris(return_X_y=True)
        problem = in_principal_axes(jnp.asarray(iris), jnp.asarray(species), jnp.ones(150), True)
        solve = solver(3, 1000)
        C, tolerance, start = jnp.logspace(-3, 2, 12), jnp.asarray(1e-4), jnp.zeros((3, 5))
        path = jax.jit(jax.vmap(solve, (None, 0, None, None)))(problem, C, tolerance, start)
        alone = [jax.jit(solve)(problem, c, tolerance, start) for c in C]
        assert (path.gradient_norm <= 1e-4).all()
        assert path.iterations.sum() < 0.5 * sum(solution.iterations for solution in alone)
        for index, solution in enumerate(alone):
            penalty = penalty_of(problem, C[index])
            ours, theirs = (
                lbfgs.total_value(penalty, theta, multinomial.evaluate(problem.rows, theta, 3))
                for theta in (path.theta[index], solution.theta)
            )
            np.testing.assert_allclose(ours, theirs, rtol=2e-2, atol=1e-5)


def test_members_with_tolerances_of_their_own_get_them():
    with jax.enable_x64(True):
        solve, start = solver(3, 1000), jnp.zeros((3, 14))
        tolerances = jnp.array([1e-1, 1e-6, 1e-3])
        members = jax.jit(jax.vmap(solve, (None, 0, 0, None)))(
            problem_of(), jnp.array([1.0, 0.1, 10]), tolerances, start
        )
        assert (members.gradient_norm <= tolerances).all()
        assert members.gradient_norm[0] > 1e-6
