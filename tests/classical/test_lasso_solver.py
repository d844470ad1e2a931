"""The quadratic of the lasso from rows and from moments, its proximal operator and its duality gap."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize_scalar

from mlr_jax.classical import fista
from mlr_jax.classical.lasso_solver import (
    Penalty,
    duality_gap,
    from_moments,
    from_rows,
    gradient,
    minimise,
    penalty_of,
    proximal,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 4)) * [1, 10, 0.1, 1] + [0, 3, 0, -1]
Y, WEIGHT = RNG.normal(size=30), RNG.integers(0, 3, 30).astype(float)


def arrays(*values):
    return tuple(jnp.asarray(value) for value in values)


def test_rows_and_moments_give_the_same_quadratic_and_it_is_the_mean_squared_error():
    with jax.enable_x64(True):
        rows, matrix = (make(*arrays(X, Y, WEIGHT), True) for make in (from_rows, from_moments))
        for one, other in zip(rows[1:], matrix[1:], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)
        u = jnp.asarray(RNG.normal(size=4))
        np.testing.assert_allclose(gradient(rows, u), gradient(matrix, u), rtol=1e-10, atol=1e-12)

        def half_error(u):
            w = u / rows.sigma
            residual = (X - rows.mean_x[None]) @ w - (Y - rows.mean_y)
            return 0.5 * jnp.sum(WEIGHT * residual**2) / WEIGHT.sum()

        np.testing.assert_allclose(gradient(rows, u), jax.grad(half_error)(u), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(jnp.diagonal(matrix.data), 1.0)


def test_the_proximal_operator_is_the_minimiser_of_its_definition():
    penalty = Penalty(jnp.array([0.3]), jnp.array([2.0]))
    for v in (-2.0, -0.1, 0.2, 1.5):
        for t in (0.5, 3.0):
            found = proximal(penalty, jnp.array([v]), jnp.asarray(t))[0]
            expected = minimize_scalar(
                lambda u, v=v, t=t: 0.3 * abs(u) + u**2 + (u - v) ** 2 / (2 * t), bounds=(-3, 3), method="bounded",
                options={"xatol": 1e-9},
            )  # fmt: skip
            np.testing.assert_allclose(found, expected.x, atol=1e-6)


def test_the_gap_is_zero_at_the_minimum_alone_also_without_an_absolute_part():
    with jax.enable_x64(True):
        quadratic = from_moments(*arrays(X, Y, WEIGHT), True)
        for l1_ratio in (1.0, 0.5, 0.0):
            penalty = penalty_of(quadratic, *arrays(0.05, l1_ratio))
            u, gap, _ = minimise(quadratic, penalty, jnp.asarray(1e-14), 10_000)
            np.testing.assert_allclose(gap, 0.0, atol=1e-12)
            off = u + 0.01
            state = fista.init(off, gradient(quadratic, off), jnp.asarray(1.0))
            assert duality_gap(quadratic, penalty, state) > 1e-6


def test_a_constant_column_has_no_coefficient():
    with jax.enable_x64(True):
        x = np.concatenate([X, np.full((30, 1), 0.1)], axis=1)
        for make in (from_rows, from_moments):
            quadratic = make(*arrays(x, Y, WEIGHT), True)
            assert quadratic.sigma[4] == np.inf
            u = jnp.ones(5)
            assert gradient(quadratic, u)[4] == 0.0
            np.testing.assert_allclose(
                gradient(quadratic, u)[:4], gradient(make(*arrays(X, Y, WEIGHT), True), u[:4]), rtol=1e-9
            )
