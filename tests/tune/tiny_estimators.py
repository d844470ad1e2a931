"""Estimators small enough to be seen through, for tests of what is built around estimators."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Estimator


class Hypers(NamedTuple):
    alpha: float | jax.Array = 1.0


def fit_ridge(key, hypers, x, y, weight):
    """min_c,b sum_n w_n (y_n - x_n c - b)^2 + sum_d alpha_d c_d^2: one penalty, or one for each column."""
    x, y = (jnp.where((weight > 0).reshape(-1, *[1] * (v.ndim - 1)), v, 0) for v in (jnp.asarray(x), jnp.asarray(y)))
    total = jnp.sum(weight)
    mean_x, mean_y = weight @ x / total, weight @ y / total
    dx, dy = x - mean_x[None], y - mean_y
    weighted = dx * weight[:, None]
    penalty = jnp.diag(jnp.broadcast_to(jnp.asarray(hypers.alpha, x.dtype), x.shape[1:]))
    coefficients = jnp.linalg.solve(weighted.T @ dx + penalty, weighted.T @ dy)
    return coefficients, mean_y - mean_x @ coefficients


def predict_linear(model, x):
    coefficients, intercept = model
    return x @ coefficients + intercept


ridge = Estimator(fit_ridge, predict_linear)


class NoHypers(NamedTuple):
    pass


def fit_mean(key, hypers, x, y, weight):
    return jnp.sum(weight * jnp.where(weight > 0, y, 0)) / jnp.sum(weight)


mean = Estimator(fit_mean, lambda model, x: jnp.full(x.shape[0], model))


def fit_guess(key, hypers, x, y, weight):
    """The mean of the fitted rows and a number of the key, times alpha."""
    return fit_mean(key, hypers, x, y, weight) + jnp.asarray(hypers.alpha, x.dtype) * jax.random.normal(
        key, (), x.dtype
    )


guess = Estimator(fit_guess, mean.predict)
"""It depends on the key."""
