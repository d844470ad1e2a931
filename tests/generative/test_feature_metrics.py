"""Distances of features against SciPy's matrix root, and precision and recall against loops over all pairs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import sqrtm

from mlr_jax.generative.feature_metrics import frechet_distance, frechet_distance_of_moments, precision_recall

distance, scores = jax.jit(frechet_distance), jax.jit(precision_recall)


def by_scipy(x, y):
    """As it is usually computed, in double precision."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    s_x, s_y = np.cov(x.T), np.cov(y.T)
    root = sqrtm(s_x @ s_y).real
    return np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(s_x + s_y - 2 * root)


def features(seed, rows, width, shift=0.0):
    """Correlated, of very different variances, far from the origin."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(width, width)) * np.geomspace(1.0, 1e-3, width)
    return (rng.normal(size=(rows, width)) @ mix + 5.0 + shift).astype(np.float32)


def test_the_frechet_distance_is_that_of_scipy_in_single_precision():
    x, y = features(0, 400, 24), features(1, 300, 24, shift=0.1)
    np.testing.assert_allclose(distance(x, y), by_scipy(x, y), rtol=1e-4)
    with jax.enable_x64(True):
        of_moments = jax.jit(frechet_distance_of_moments)(
            *(f(a.astype(np.float64)) for a in (x, y) for f in (lambda a: a.mean(0), lambda a: np.cov(a.T)))
        )
        np.testing.assert_allclose(of_moments, by_scipy(x, y), rtol=1e-9)


def test_sets_that_are_alike_are_at_no_distance_and_a_shift_is_at_its_square():
    x = features(0, 10, 24)  # fewer rows than features: the covariance is singular, and SciPy's root fails
    size = np.trace(np.cov(x.T))
    assert abs(distance(x, x[::-1])) < 1e-4 * size
    np.testing.assert_allclose(distance(x, x + 2.0), 24 * 4.0, rtol=1e-3)
    np.testing.assert_allclose(distance(x, 3.0 * (x - x.mean(0)) + x.mean(0)), 4.0 * size, rtol=1e-3)


def by_loops(real, generated, k):
    """Every pair."""
    pairs = lambda a, b: np.linalg.norm(a[:, None].astype(np.float64) - b[None], axis=-1)  # noqa: E731
    radii = lambda a: np.sort(pairs(a, a), axis=1)[:, k]  # noqa: E731 (column 0 is the row itself)
    inside = lambda a, b: (pairs(a, b) <= radii(b)[None]).any(1).mean()  # noqa: E731
    return inside(generated, real), inside(real, generated)


def test_precision_and_recall_are_those_of_all_pairs():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(300, 2)).astype(np.float32) + 3.0
    generated = (0.5 * rng.normal(size=(280, 2)) + 3.6).astype(np.float32)
    precision, recall = scores(real, generated)
    np.testing.assert_allclose((precision, recall), by_loops(real, generated, 3), atol=1e-6)
    assert precision > 0.9  # it makes hardly anything that is not real,
    assert recall < 0.7  # and not all that is


def test_copies_are_all_of_the_real_set_and_a_single_mode_is_little_of_it():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(300, 2)).astype(np.float32)
    assert scores(real, real) == (1.0, 1.0)
    collapsed = (real[:1] + 1e-3 * rng.normal(size=(300, 2))).astype(np.float32)
    precision, recall = scores(real, collapsed)
    assert precision == 1.0
    assert recall < 0.05


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: frechet_distance(jnp.ones((4, 3)), jnp.ones((4, 2))), r"features: got shapes \(4, 3\) and \(4, 2\)"),
        (lambda: frechet_distance(jnp.ones((1, 3)), jnp.ones((4, 3))), "features: got 1 and 4 rows"),
        (lambda: precision_recall(jnp.ones((9, 2)), jnp.ones((3, 2))), "neighbours: got 3, allowed are 1 to 2"),
    ],
)
def test_what_has_no_distance_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
