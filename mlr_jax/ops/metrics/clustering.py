"""Metrics of a clustering: how two labellings of the same rows agree, how well clusters stand apart.

Labels are int [N] in [0, num_labels), a static number that both labellings share; names of clusters do not matter.
weight [N], where a row of weight 0 is not there. Each is pure and can be compiled and vmapped.
"""

import jax
import jax.numpy as jnp

from mlr_jax.ops.distances import pairwise_squared_euclidean
from mlr_jax.ops.metrics.rows import average, ratio, weighted

Rows = jax.typing.ArrayLike


def mean_score(y: object, prediction: Rows, weight: Rows | None = None) -> jax.Array:
    """The mean of the prediction [N], for what scores rows by itself: log-likelihoods, minus squared distances."""
    prediction = jnp.asarray(prediction)
    _, prediction, weight = weighted(prediction, prediction, weight)
    return average(prediction, weight)


def contingency(y: Rows, prediction: Rows, weight: Rows | None = None, *, num_labels: int) -> jax.Array:
    """The weight of the rows of each pair of labels: [num_labels, num_labels]."""
    y, labels = jnp.asarray(y), jnp.asarray(prediction)
    y, labels, weight = weighted(y, labels, weight)
    places = jnp.arange(num_labels)[None]
    return ((y[:, None] == places) * weight[:, None]).T @ (labels[:, None] == places).astype(weight.dtype)


def adjusted_rand(y: Rows, prediction: Rows, weight: Rows | None = None, *, num_labels: int) -> jax.Array:
    """The share of pairs of rows that both labellings treat alike, 0 on average by chance, 1 for equal ones.

    2 (a d - b c) / ((a + b) (b + d) + (a + c) (c + d)) with a pairs together in both, b and c in one, d in neither
    (Hubert & Arabie, 1985). A row of weight w is w rows.
    """
    table = contingency(y, prediction, weight, num_labels=num_labels)
    total = jnp.sum(table)
    joint = table / total  # pairs are counted in shares of all W^2 ordered ones, of which W are of a row with itself
    squares = jnp.sum(joint**2)
    first, second = jnp.sum(jnp.sum(joint, axis=1) ** 2), jnp.sum(jnp.sum(joint, axis=0) ** 2)
    both, only_first, only_second = squares - 1 / total, first - squares, second - squares
    neither = 1 - first - second + squares
    spread = (both + only_first) * (only_first + neither) + (both + only_second) * (only_second + neither)
    return ratio(2 * (both * neither - only_first * only_second), spread, otherwise=1.0)


def mutual_information(y: Rows, prediction: Rows, weight: Rows | None = None, *, num_labels: int) -> jax.Array:
    """sum_ij p_ij log(p_ij / (p_i p_j)), in nats."""
    joint = contingency(y, prediction, weight, num_labels=num_labels)
    joint = joint / jnp.sum(joint)
    entropies = _entropy(jnp.sum(joint, axis=1)) + _entropy(jnp.sum(joint, axis=0))
    return jnp.maximum(entropies - _entropy(joint), 0)


def normalized_mutual_information(
    y: Rows, prediction: Rows, weight: Rows | None = None, *, num_labels: int
) -> jax.Array:
    """The mutual information over the mean of the two entropies: the V-measure (Rosenberg & Hirschberg, 2007)."""
    joint = contingency(y, prediction, weight, num_labels=num_labels)
    joint = joint / jnp.sum(joint)
    entropies = _entropy(jnp.sum(joint, axis=1)) + _entropy(jnp.sum(joint, axis=0))
    return ratio(2 * (entropies - _entropy(joint)), entropies, otherwise=1.0)


def silhouette(x: Rows, labels: Rows, weight: Rows | None = None, *, num_labels: int) -> jax.Array:
    """The mean over rows of (b - a) / max(a, b): a the mean distance to the others of its cluster, b the least mean
    distance to another cluster (Rousseeuw, 1987); 0 for a row alone in its cluster.

    x [N, D], labels [N]; it takes N^2 distances. NaN with fewer than two clusters.
    """
    labels, x, weight = weighted(jnp.asarray(labels), jnp.asarray(x), weight)
    member = (labels[:, None] == jnp.arange(num_labels)[None]) & (weight > 0)[:, None]
    size = weight @ member
    centred = x - average(x, weight)[None]
    distances = jnp.sqrt(pairwise_squared_euclidean(centred, centred))
    distances = jnp.where(jnp.eye(x.shape[0], dtype=bool), 0, distances)
    total = distances @ (member * weight[:, None])
    own = labels[:, None] == jnp.arange(num_labels)[None]
    within = ratio(jnp.sum(jnp.where(own, total, 0), axis=1), size[labels] - 1)
    between = jnp.min(jnp.where(own | (size == 0)[None], jnp.inf, total / jnp.where(size > 0, size, 1)[None]), axis=1)
    value = jnp.where(size[labels] > 1, ratio(between - within, jnp.maximum(within, between)), 0)
    return jnp.where(jnp.sum(size > 0) > 1, average(value, weight), jnp.nan)


def _entropy(shares: jax.Array) -> jax.Array:
    return -jnp.sum(shares * jnp.log(jnp.where(shares == 0, 1, shares)))
