"""Moments of weighted rows beside numpy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.classical import moments as module
from mlr_jax.classical.moments import deviations, merge, moments, no_moments, root_of

RNG = np.random.default_rng(0)
X, Y, WEIGHT = RNG.normal([0, 5, -2], 1, (50, 3)), RNG.normal(size=(50, 2)), RNG.integers(0, 3, 50)


def expected(x, y, weight, centred=True):
    mean_x, mean_y = ((np.average(z, 0, weight) if centred else np.zeros(z.shape[1])) for z in (x, y))
    dx, dy = x - mean_x, y - mean_y
    return (weight.sum(), mean_x, mean_y, (dx.T * weight) @ dx, (dx.T * weight) @ dy, weight @ dy**2)


def assert_equal(found, wanted, rtol=1e-10):
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-10)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("block", [7, 25, 2048])
def test_equal_numpy_whatever_the_blocks(monkeypatch, block, centred):
    monkeypatch.setattr(module, "BLOCK", block)
    with jax.enable_x64(True):
        found = moments(jnp.asarray(X), jnp.asarray(Y), jnp.asarray(WEIGHT, float), centred=centred)
        assert_equal(found, expected(X, Y, WEIGHT, centred))


@pytest.mark.parametrize("centred", [True, False])
def test_of_parts_merge_to_those_of_the_whole(centred):
    with jax.enable_x64(True):
        merged = no_moments(3, 2)
        for part in np.split(np.arange(50), [10, 11, 30]):
            rows = (jnp.asarray(z[part], float) for z in (X, Y, WEIGHT))
            merged = merge(merged, moments(*rows, centred=centred), centred=centred)
        assert_equal(merged, expected(X, Y, WEIGHT, centred))


def test_float32_keeps_the_spread_of_columns_far_from_zero():
    x = (X * [1, 0.01, 10] + [1e3, 20, -1e4]).astype(np.float32)
    found = moments(jnp.asarray(x), jnp.asarray(Y, np.float32), jnp.ones(50))
    dx = x.astype(float) - x.astype(float).mean(0)
    np.testing.assert_allclose(found.xx, dx.T @ dx, rtol=1e-3, atol=1e-3 * np.abs(dx.T @ dx).min())


def test_a_row_of_weight_zero_gives_finite_gradients():
    def total(weight):
        return jnp.sum(moments(jnp.asarray(X), jnp.asarray(Y), weight).xx)

    with jax.enable_x64(True):
        weight = jnp.asarray(WEIGHT, float)
        gradient = jax.grad(total)(weight)
        assert np.isfinite(gradient).all()
        row = int(np.argmax(WEIGHT))
        step = jnp.zeros(50).at[row].set(1e-6)
        np.testing.assert_allclose(gradient[row], (total(weight + step) - total(weight - step)) / 2e-6, rtol=1e-5)


def test_without_rows_all_is_zero_and_finite():
    found = moments(jnp.ones((4, 3)), jnp.ones((4, 1)), jnp.zeros(4))
    assert not any(np.any(leaf) for leaf in found)


def test_products_of_deviations_are_weighted():
    with jax.enable_x64(True):
        dx = deviations(jnp.asarray(X), jnp.ones(3), root_of(jnp.asarray(WEIGHT, float)))
        np.testing.assert_allclose(dx.T @ dx, ((X - 1).T * WEIGHT) @ (X - 1))
