"""Solutions of the normal equations beside numpy's least squares, well and badly conditioned."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.classical.moments import moments
from mlr_jax.classical.normal_equations import (
    by_eigenvalues,
    by_orthogonal_factors,
    by_singular_values,
    solve,
    varying,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)) * [1, 10, 0.1, 1]
Y = RNG.normal(size=(40, 2))
COLLINEAR = np.concatenate([X, X[:, :1] + X[:, 1:2], np.full((40, 1), 3.0)], axis=1)


def centred(*arrays):
    return [jnp.asarray(array - array.mean(0)) for array in arrays]


def refuse(*_):
    """Instead of a solution where none should be asked for."""
    return jnp.full((X.shape[1], 2), jnp.nan)


@pytest.mark.parametrize("alpha", [0.0, 3.0])
def test_all_ways_agree_with_a_closed_form(alpha):
    with jax.enable_x64(True):
        known = moments(jnp.asarray(X), jnp.asarray(Y), jnp.ones(40))
        dx, dy = centred(X, Y)
        expected = np.linalg.solve(dx.T @ dx + alpha * np.eye(4), dx.T @ dy)
        strength = jnp.asarray(alpha)
        for found in (
            solve(known, strength, refuse),
            by_eigenvalues(known, strength),
            by_orthogonal_factors(dx, dy, strength),
            by_singular_values(dx, dy, strength),
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_all_ways_find_the_least_norm_where_columns_are_collinear():
    with jax.enable_x64(True):
        dx, dy = centred(COLLINEAR, Y)
        expected = np.linalg.lstsq(dx, dy, rcond=1e-10)[0]
        known, zero = moments(jnp.asarray(COLLINEAR), jnp.asarray(Y), jnp.ones(40)), jnp.asarray(0.0)
        for found in (
            solve(known, zero, by_eigenvalues),
            by_orthogonal_factors(dx, dy, zero),
            by_singular_values(dx, dy, zero),
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


def test_under_vmap_only_the_members_in_need_take_the_other_way():
    with jax.enable_x64(True):
        sets = jnp.stack([jnp.asarray(COLLINEAR), jnp.asarray(RNG.normal(size=COLLINEAR.shape))])
        other = jnp.full((6, 2), 7.0)
        found = jax.jit(
            jax.vmap(lambda x: solve(moments(x, jnp.asarray(Y), jnp.ones(40)), jnp.asarray(0.0), lambda *_: other))
        )(sets)
        np.testing.assert_array_equal(found[0], other)
        dx, dy = centred(np.asarray(sets[1]), Y)
        np.testing.assert_allclose(found[1], np.linalg.lstsq(dx, dy)[0], rtol=1e-8)


def test_float32_solves_where_forming_the_products_would_lose_all_digits():
    t = np.linspace(0, 1, 40)[:, None]
    powers = (t ** np.arange(1, 7)[None]).astype(np.float32)  # a condition number of 5e4, squared 2e9
    target = np.sin(5 * t).astype(np.float32)
    dx, dy = centred(powers, target)
    known = moments(jnp.asarray(powers), jnp.asarray(target), jnp.ones(40))
    found = solve(known, jnp.float32(0.0), lambda dx, dy, *_: by_orthogonal_factors(dx, dy, jnp.float32(0.0)), (dx, dy))
    exact = np.linalg.lstsq(np.float64(dx), np.float64(dy))[0]

    def squares(w):
        return np.sum((np.float64(dx) @ np.float64(w) - np.float64(dy)) ** 2)

    assert squares(found) <= squares(exact) * 1.01
    assert squares(by_eigenvalues(known, jnp.float32(0.0))) > squares(exact) * 1.5


def test_a_column_of_one_number_does_not_vary_whatever_its_rounding():
    x = np.stack([np.full(999, 0.1), np.full(999, 1e6 + 0.3), np.arange(999) * 1e-3], axis=1).astype(np.float32)
    known = moments(jnp.asarray(x), jnp.zeros((999, 1)), jnp.ones(999))
    np.testing.assert_array_equal(varying(known), [False, False, True])
