from functools import partial
from itertools import product
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

from mlr_jax.classical.bias_variance import bootstrap, predictions, squared_error, zero_one_error
from mlr_jax.core.types import Estimator


class Hypers(NamedTuple):
    alpha: float | jax.Array = 1.0


def fit(key, hypers, x, y, weight):
    weighted = x * weight[:, None]
    return jnp.linalg.solve(weighted.T @ x + hypers.alpha * jnp.eye(x.shape[1], dtype=x.dtype), weighted.T @ y)


ridge = Estimator(fit, lambda model, x: x @ model)
RNG = np.random.default_rng(0)
X, TEST = RNG.normal(size=(30, 5)).astype(np.float32), RNG.normal(size=(8, 5)).astype(np.float32)
TRUE, SIGMA = RNG.normal(size=5).astype(np.float32), 0.7


def sample(key):
    """Fresh targets of the same x."""
    return X, X @ TRUE + SIGMA * jax.random.normal(key, (30,)), jnp.ones(30)


def closed_form(alpha):
    """bias^2 and variance of ridge regression at the test rows, [N], from its linear algebra."""
    gram = X.T.astype(float) @ X
    inverse = np.linalg.inv(gram + alpha * np.eye(5))
    bias = -alpha * TEST @ inverse @ TRUE
    return bias**2, SIGMA**2 * np.sum(TEST @ inverse * (TEST @ inverse @ gram), axis=1)


@jax.jit
def ridge_parts(alphas):
    keys = jax.random.split(jax.random.key(0), 4000)
    of_alpha = lambda alpha: predictions(ridge, Hypers(alpha), sample, TEST, keys)  # noqa: E731
    return jax.vmap(lambda alpha: squared_error(of_alpha(alpha), TEST @ TRUE, SIGMA**2))(alphas)


def test_ridge_regression_by_its_closed_form():
    alphas = np.array([0.0, 3.0, 30.0, 300.0])
    parts = ridge_parts(alphas)
    for number, alpha in enumerate(alphas):
        squared_bias, variance = closed_form(alpha)
        error_of_mean = np.sqrt(variance / 4000)
        tolerance = 5 * error_of_mean * (2 * np.sqrt(squared_bias) + error_of_mean)
        assert np.all(np.abs(parts.squared_bias[number] - squared_bias) < tolerance + 1e-5)
        np.testing.assert_allclose(parts.variance[number], variance, rtol=0.15)
    np.testing.assert_allclose(parts.noise, np.full((4, 8), SIGMA**2), rtol=1e-6)
    bias_of_all, variance_of_all = parts.squared_bias.mean(axis=1), parts.variance.mean(axis=1)
    assert np.all(np.diff(bias_of_all) > 0)
    assert np.all(np.diff(variance_of_all) < 0)


def test_the_parts_of_the_squared_error_add_up():
    parts = ridge_parts(np.array([0.0, 3.0, 30.0, 300.0]))
    np.testing.assert_allclose(parts.error, parts.squared_bias + parts.variance + parts.noise, rtol=1e-4)
    rng = np.random.default_rng(1)
    predicted, observed = rng.normal(size=(6, 4)), rng.normal(2, 1, size=(9, 4))
    with jax.enable_x64(True):
        parts = squared_error(jnp.asarray(predicted), observed.mean(axis=0), observed.var(axis=0))
    np.testing.assert_allclose(
        parts.error, np.mean((predicted[:, None] - observed[None]) ** 2, axis=(0, 1)), rtol=1e-12
    )
    np.testing.assert_allclose(parts.error, parts.squared_bias + parts.variance + parts.noise, rtol=1e-12)


def test_a_bootstrap_is_a_set_of_drawn_rows():
    x, y = (values.astype(np.float32) for values in load_diabetes(return_X_y=True))
    x, y = x[:50], y[:50]
    keys = jax.random.split(jax.random.key(3), 4)
    draw = bootstrap(x, y)
    predicted = jax.jit(lambda keys: predictions(ridge, Hypers(0.1), draw, x, keys))(keys)
    assert predicted.shape == (4, 50)
    for key, found in zip(keys, predicted, strict=True):
        counts = np.asarray(draw(jax.random.split(key)[0])[2]).astype(int)
        assert counts.sum() == 50
        assert counts.max() > 1
        rows = np.repeat(np.arange(50), counts)
        expected = Ridge(0.1, fit_intercept=False).fit(x[rows], y[rows]).predict(x)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=0.05)


def test_one_after_another_is_the_same():
    keys = jax.random.split(jax.random.key(0), 5)
    expected, *others = (
        jax.jit(partial(predictions, ridge, Hypers(1.0), sample, TEST, at_once=at_once))(keys)
        for at_once in (None, 1, 2)
    )
    for found in others:
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="at_once: got 0, allowed are 1 and above"):
        predictions(ridge, Hypers(1.0), sample, TEST, keys, at_once=0)


def random_classes(num_classes, rows=200, models=7):
    rng = np.random.default_rng(num_classes)
    labels = rng.integers(0, num_classes, (models, rows))
    return labels, rng.dirichlet(np.full(num_classes, 0.7), rows)


def parts_by_definition(labels, chance):
    """Domingos's parts of one row by going through every pair of a model and an observed class."""
    num_classes = len(chance)
    named = np.bincount(labels, minlength=num_classes) / len(labels)
    main, optimal = named.argmax(), chance.argmax()
    pairs = [(f, t, named[f] * chance[t]) for f, t in product(range(num_classes), repeat=2)]
    error = sum(p for f, t, p in pairs if f != t)
    noise, variance = 1 - chance[optimal], 1 - named[main]
    both_off = [(f, t, p) for f, t, p in pairs if optimal not in (f, t)]
    agree = sum(p for f, t, p in both_off if f == t) / max(sum(p for *_, p in both_off), 1e-300)
    c1 = named[optimal] - (1 - named[optimal]) * agree
    c2 = 1.0 if main == optimal else -named[optimal] / max(variance, 1e-300)
    return error, noise, float(main != optimal), variance, c1 * noise, c2 * variance


@pytest.mark.parametrize("num_classes", [2, 4])
def test_zero_one_loss_by_its_definition(num_classes):
    labels, chance = random_classes(num_classes)
    with jax.enable_x64(True):
        parts = jax.device_get(jax.jit(zero_one_error)(np.eye(num_classes)[labels], chance))
    expected = [parts_by_definition(labels[:, row], chance[row]) for row in range(labels.shape[1])]
    np.testing.assert_allclose(np.stack(parts, axis=1), expected, atol=1e-12)
    np.testing.assert_allclose(parts.error, parts.net_noise + parts.bias + parts.net_variance, atol=1e-12)
    assert 0 < np.mean(parts.bias) < 1


def test_two_classes_and_no_noise():
    """Variance adds to the error of unbiased rows and takes away from that of biased ones."""
    labels = np.array([[0, 0, 1, 1], [0, 0, 1, 0], [1, 0, 1, 1]])
    truth = np.array([0, 0, 0, 0])
    parts = zero_one_error(jnp.eye(2)[labels], truth)
    np.testing.assert_allclose(parts.error, [1 / 3, 0, 1, 2 / 3], rtol=1e-6)
    np.testing.assert_array_equal(parts.bias, [0, 0, 1, 1])
    np.testing.assert_allclose(parts.variance, [1 / 3, 0, 0, 1 / 3], atol=1e-6)
    np.testing.assert_allclose(parts.net_variance, [1 / 3, 0, 0, -1 / 3], atol=1e-6)
    np.testing.assert_array_equal(parts.noise, np.zeros(4))
