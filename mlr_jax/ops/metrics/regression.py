"""Metrics of a regression: `metric(y, prediction, weight=None)` -> [].

y and prediction [N], or [N, T] with T outputs over which the mean is taken; weight [N], where a row of weight 0 is not
there. Each is pure and can be compiled, vmapped and differentiated. Where nothing has weight the answer is NaN.
"""

import jax
import jax.numpy as jnp

from mlr_jax.ops.metrics.rows import average, value_rows
from mlr_jax.ops.ranks import mass_by_rank, sorted_with_ranks

Rows = jax.typing.ArrayLike


def mean_squared_error(y: Rows, prediction: Rows, weight: Rows | None = None) -> jax.Array:
    """The mean of (prediction - y)^2."""
    y, prediction, weight = value_rows(y, prediction, weight)
    return jnp.mean(average((prediction - y) ** 2, weight))


def root_mean_squared_error(y: Rows, prediction: Rows, weight: Rows | None = None) -> jax.Array:
    """sqrt of the mean of (prediction - y)^2, in units of y."""
    y, prediction, weight = value_rows(y, prediction, weight)
    return jnp.mean(jnp.sqrt(average((prediction - y) ** 2, weight)))


def mean_absolute_error(y: Rows, prediction: Rows, weight: Rows | None = None) -> jax.Array:
    """The mean of |prediction - y|."""
    y, prediction, weight = value_rows(y, prediction, weight)
    return jnp.mean(average(jnp.abs(prediction - y), weight))


def median_absolute_error(y: Rows, prediction: Rows, weight: Rows | None = None) -> jax.Array:
    """The weighted median of |prediction - y|: the mean of the two in the middle where half the weight lies on each."""
    y, prediction, weight = value_rows(y, prediction, weight)
    return jnp.mean(jax.vmap(_median, in_axes=(1, None))(jnp.abs(prediction - y), weight))


def r2(y: Rows, prediction: Rows, weight: Rows | None = None) -> jax.Array:
    """1 - sum (y - prediction)^2 / sum (y - mean y)^2; of a constant y 1 if it is met, else 0."""
    y, prediction, weight = value_rows(y, prediction, weight)
    deviations = y - average(y, weight)[None]
    return _explained(average((y - prediction) ** 2, weight), average(deviations**2, weight))


def explained_variance(y: Rows, prediction: Rows, weight: Rows | None = None) -> jax.Array:
    """1 - var(y - prediction) / var(y): `r2` with a constant error forgiven."""
    y, prediction, weight = value_rows(y, prediction, weight)
    errors, deviations = y - prediction, y - average(y, weight)[None]
    return _explained(average((errors - average(errors, weight)[None]) ** 2, weight), average(deviations**2, weight))


def _explained(unexplained: jax.Array, total: jax.Array) -> jax.Array:
    """The mean over outputs [T] of 1 - unexplained / total, with 0 / 0 taken as 0 and a / 0 as 1."""
    varies = total != 0
    share = jnp.where(varies, unexplained / jnp.where(varies, total, 1), jnp.sign(unexplained))
    return jnp.mean(1 - share)


def _median(values: jax.Array, weight: jax.Array) -> jax.Array:
    ascending, ranks = sorted_with_ranks(values)
    below = jnp.cumsum(mass_by_rank(ranks, weight))
    half = below[-1] / 2
    lower = jnp.argmax(below >= half)
    upper = jnp.argmax(below > half + jnp.finfo(below.dtype).eps)
    middle = (ascending[lower] + ascending[upper]) / 2
    return jnp.where((half > 0) & ~jnp.any(jnp.isnan(values)), middle, jnp.nan).astype(values.dtype)
