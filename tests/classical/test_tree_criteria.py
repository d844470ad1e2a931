"""Impurities and gains beside their definitions."""

import jax
import numpy as np
import pytest
from scipy import stats

from mlr_jax.classical.tree_criteria import entropy, gini, is_allowed, squared_error

IMPURITIES = {"gini": gini, "entropy": entropy, "squared_error": squared_error}


def test_by_hand():
    s = np.array([2.0, 6, 0])
    np.testing.assert_allclose(gini.of(s), 1 - (1 / 16 + 9 / 16), rtol=1e-6)
    np.testing.assert_allclose(entropy.of(s), stats.entropy([0.25, 0.75], base=2), rtol=1e-6)
    y, weight = np.array([1.0, 2, 4]), np.array([1.0, 2, 1])
    moments = np.array([weight.sum(), weight @ y, weight @ y**2])
    np.testing.assert_allclose(squared_error.of(moments), np.average((y - 2.25) ** 2, weights=weight), rtol=1e-6)


def random_statistics(name, groups=20):
    """Statistics [C, groups] of random rows."""
    rng = np.random.default_rng(1)
    if name != "squared_error":
        return rng.integers(0, 9, (4, groups)) + np.arange(4)[:, None] * 0.5
    y, weight = rng.normal(size=(5, groups)), rng.uniform(0.5, 2, (5, groups))
    return np.stack([weight.sum(0), (weight * y).sum(0), (weight * y**2).sum(0)])


@pytest.mark.parametrize("name", IMPURITIES)
def test_the_gain_is_what_the_impurity_loses(name):
    impurity = IMPURITIES[name]
    with jax.enable_x64(True):
        left, right = random_statistics(name), random_statistics(name)[:, ::-1].copy()
        total = {key: impurity.weight(s) * impurity.of(s) for key, s in
                 {"both": left + right, "left": left, "right": right}.items()}  # fmt: skip
        np.testing.assert_allclose(
            impurity.gain(left, right), total["both"] - total["left"] - total["right"], atol=1e-10
        )


@pytest.mark.parametrize("name", IMPURITIES)
def test_rows_that_are_alike_are_pure_and_gain_nothing(name):
    alike = np.array([0, 7, 0]) if name != "squared_error" else np.array([7, 7 * 0.3, 7 * 0.09])
    alike = alike.astype(np.float32)[:, None]
    impurity = IMPURITIES[name]
    assert impurity.of(alike) == 0
    np.testing.assert_allclose(impurity.gain(alike, 3 * alike), 0, atol=1e-6)


@pytest.mark.parametrize("name", IMPURITIES)
def test_an_empty_side_is_finite(name):
    s = np.array([[3.0], [1], [1]], np.float32)
    assert np.isfinite(IMPURITIES[name].gain(s, np.zeros_like(s)))
    assert np.isfinite(IMPURITIES[name].of(np.zeros_like(s)))


def test_sides_must_weigh_enough_and_more_than_rounding():
    left, right = np.array([1.0, 2, 5, 5e6], np.float32), np.array([3.0, 3, 1.9, 0.3], np.float32)
    np.testing.assert_array_equal(is_allowed(left, right, np.float32(2)), [False, True, False, False])
    np.testing.assert_array_equal(is_allowed(left, right, np.float32(0)), [True, True, True, False])
