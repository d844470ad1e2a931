"""Missing values, categories and scales, handled by numbers that are estimated from the training rows alone.

A missing number becomes the median of its column and a missing category the most frequent one. Numbers are then
standardised, (x - mean) / standard deviation, and a category becomes a row of the identity matrix, all zeros if the
schema does not know it. `preprocessed` puts this in front of an estimator: under cross-validation the rows of a fold
weigh nothing while it is fitted, so no statistic has seen them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Estimator


class Statistics(NamedTuple):
    """What the training rows say about the D columns: fill [D] for missing values, and of numbers mean and scale [D].

    A category has mean 0 and scale 1.
    """

    fill: jax.Array
    mean: jax.Array
    scale: jax.Array


def fit_statistics(sizes: Sequence[int], x: jax.Array, weight: jax.Array) -> Statistics:
    """Statistics of the rows of positive weight.

    x [N, D] with nan for what is missing; weight [N]; sizes: of each column its number of categories, 0 for a number.
    """
    x, weight = jnp.asarray(x), jnp.asarray(weight, jnp.asarray(x).dtype)
    _check_sizes(sizes, x)
    columns = [
        _number(column, weight) if size == 0 else _category(size, column, weight)
        for size, column in zip(sizes, x.T, strict=True)
    ]
    return Statistics(*map(jnp.stack, zip(*columns, strict=True)))


def apply(sizes: Sequence[int], statistics: Statistics, x: jax.Array) -> jax.Array:
    """x [N, D] -> [N, F]: numbers filled and standardised, then each category as a row of the identity matrix."""
    x = jnp.asarray(x)
    _check_sizes(sizes, x)
    filled = jnp.where(jnp.isnan(x), statistics.fill[None], x)
    numbers = (filled - statistics.mean[None]) / statistics.scale[None]
    columns = [
        numbers[:, place, None] if size == 0 else jax.nn.one_hot(filled[:, place].astype(int), size, dtype=x.dtype)
        for place, size in enumerate(sizes)
    ]
    return jnp.concatenate(columns, axis=1)


def preprocessed(estimator: Estimator, sizes: Sequence[int]) -> Estimator:
    """The estimator on preprocessed rows: its model is (Statistics, the estimator's model)."""

    def fit(key: Any, hypers: Any, x: jax.Array, y: jax.Array, weight: jax.Array) -> tuple[Statistics, Any]:
        statistics = fit_statistics(sizes, x, weight)
        return statistics, estimator.fit(key, hypers, apply(sizes, statistics, x), y, weight)

    def predict(model: tuple[Statistics, Any], x: jax.Array) -> jax.Array:
        return estimator.predict(model[1], apply(sizes, model[0], x))

    return Estimator(fit, predict)


def _number(column: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Median of what is there, then mean and standard deviation with the gaps filled; scale 1 for a constant column."""
    fill = weighted_median(column, jnp.where(jnp.isnan(column), 0, weight))
    filled = jnp.where(jnp.isnan(column), fill, column)
    total = jnp.maximum(weight.sum(), jnp.finfo(column.dtype).tiny)
    mean = jnp.where(weight > 0, weight * filled, 0).sum() / total
    variance = jnp.where(weight > 0, weight * (filled - mean) ** 2, 0).sum() / total
    return fill, mean, jnp.where(variance > 0, jnp.sqrt(variance), 1)


def _category(size: int, column: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The category of the greatest weight, the first of several."""
    known = jnp.where(jnp.isnan(column), 0, weight)
    counts = (jax.nn.one_hot(jnp.nan_to_num(column).astype(int), size, dtype=column.dtype) * known[:, None]).sum(0)
    return counts.argmax().astype(column.dtype), jnp.zeros((), column.dtype), jnp.ones((), column.dtype)


def weighted_median(values: jax.Array, weight: jax.Array) -> jax.Array:
    """The median of values [N] where integer weights count repetitions; nan in a value of weight 0 does not matter.

    The middle of the least value with at least half of the weight at or below it and the least with more than half.
    0 if nothing has a weight.
    """
    order = jnp.argsort(values)  # rows of weight 0 may lie anywhere: they add nothing to the sums below
    ordered = jnp.where(weight > 0, values, 0)[order]
    below = jnp.cumsum(weight[order])
    half = below[-1] / 2
    return (ordered[jnp.argmax(below >= half)] + ordered[jnp.argmax(below > half)]) / 2


def _check_sizes(sizes: Sequence[int], x: jax.Array) -> None:
    if x.ndim != 2 or x.shape[1] != len(sizes):
        raise ValueError(f"x: got shape {x.shape}, wanted [N, {len(sizes)}] for {len(sizes)} sizes")
