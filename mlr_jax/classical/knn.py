"""k nearest neighbours: predict what the k closest training rows say, exactly and in bounded memory.

The search holds distances of one block of training rows to a few queries at a time and keeps the k least
seen so far, so its memory grows with the number of rows and not with their product. (Fix & Hodges, 1951; distance
weights: Dudani, 1976.)
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical.rows import as_features, as_rows, at_least_tiny
from mlr_jax.core.types import Estimator
from mlr_jax.ops.distances import Metric, euclidean, pairwise
from mlr_jax.ops.selection import smallest, smallest_of_many

QUERIES = 128
"""Queries that are searched for at a time."""

Rank = Callable[[jax.Array, jax.Array], jax.Array]
"""Columns of training rows [L, D + 1], queries [B, D] -> [L, B], ordered as the distance; the last column is added."""


class Hypers(NamedTuple):
    """What a sweep can vary without searching again.

    neighbours: how many of the k found are used; infinity is all k
    power: a neighbour at distance d counts d^-power: 0 is the plain mean, 1 weighs by the inverse distance
    """

    neighbours: float = math.inf
    power: float = 0.0


class Neighbours(NamedTuple):
    """The rows that may be asked, and how."""

    x: jax.Array  # [N, D]
    y: jax.Array  # [N], or [N, K] of ones and zeros for classes
    weight: jax.Array  # [N]
    neighbours: jax.Array  # []
    power: jax.Array  # []


def fit(
    hypers: Hypers, x: jax.Array, y: jax.Array, weight: jax.Array | None = None, *, num_classes: int | None = None
) -> Neighbours:
    """Keep x [N, D], y [N] and weight [N]; with `num_classes`, y is int in [0, K). Raises ValueError for K < 2."""
    x, y, weight = as_rows(x, y, weight)
    if num_classes is not None:
        if num_classes < 2:
            raise ValueError(f"num_classes: got {num_classes}, at least 2 are needed")
        y = jax.nn.one_hot(y, num_classes, dtype=x.dtype)
    neighbours, power = (jnp.asarray(hyper, x.dtype) for hyper in hypers)
    return Neighbours(x, y.astype(x.dtype), weight, neighbours, power)


def predict(
    model: Neighbours, x: jax.Array, *, k: int = 5, metric: Metric = euclidean, block_size: int = 16384
) -> jax.Array:
    """The weighted mean of y over the nearest rows: [N], and for classes their probabilities, [N, K].

    y(x) = sum_j s_j (d_1 / d_j)^power y_j / sum_j s_j (d_1 / d_j)^power over the neighbours j = 1 ... k by increasing
    distance d_j. The share s_j of a neighbour is its weight until the shares add up to min(k, hypers.neighbours), and
    0 from there on, so that a row of weight 2 is two rows. Neighbours at distance 0, where there are any, are the
    only ones to count if power > 0. Without any row present the answer is 0.
    """
    distances, index = neighbours(
        model.x, x, k, metric=metric, block_size=block_size, weight=lax.stop_gradient(model.weight)
    )
    found = index >= 0
    weight = jnp.where(found, model.weight[index], 0)
    before = jnp.cumsum(weight, axis=1) - weight
    share = jnp.clip(jnp.minimum(model.neighbours, k) - before, 0, weight)
    strength = share * _closeness(distances, model.power)
    total = jnp.sum(strength, axis=1)
    strength = strength / jnp.where(total > 0, total, 1)[:, None]
    return jnp.einsum("qk,qk...->q...", strength, model.y[index])


def _closeness(distances: jax.Array, power: jax.Array) -> jax.Array:
    """(d_1 / d_j)^power with 0 / 0 = 1 and 0 for a neighbour that is not there: distances [Q, k], ascending."""
    usable = (distances > 0) & jnp.isfinite(distances)
    ratio = jnp.where(usable, distances[:, :1] / jnp.where(usable, distances, 1), 1)
    positive = ratio > 0
    closeness = jnp.where(positive, jnp.where(positive, ratio, 1) ** power, jnp.where(power > 0, 0, 1))
    return jnp.where(jnp.isfinite(distances), closeness, 0)


def neighbours(
    x_train: jax.Array,
    x_query: jax.Array,
    k: int,
    *,
    metric: Metric = euclidean,
    block_size: int = 16384,
    weight: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """The k training rows nearest to each query: distances [Q, k] ascending, and indices [Q, k] int32.

    x_train [N, D], x_query [Q, D]; `metric` is any function of two examples. The search holds `block_size` x 128
    distances, or k x 128 if that is more. Rows of weight 0 are never found: where fewer than k rows are present, the
    places left over have distance infinity and index -1. Of rows equally far any may be named. Differentiable in both
    sets of rows, the choice of neighbours being taken as given. Raises ValueError for k outside 1 ... N and for a
    block_size below 1.

    Euclidean neighbours are chosen by |x|^2 - 2 x . z around the mean of the training rows, which is one product, and
    the distances of those chosen are then computed anew by differences, so that they keep all their digits.
    """
    x_train, _, weight = as_rows(x_train, weight=weight)
    x_query = as_features(x_query).astype(x_train.dtype)
    if x_query.shape[1] != x_train.shape[1]:
        raise ValueError(f"x_query: got {x_query.shape[1]} columns, x_train has {x_train.shape[1]}")
    if not 1 <= k <= x_train.shape[0]:
        raise ValueError(f"k: got {k}, allowed are 1 to the {x_train.shape[0]} training rows")
    if block_size < 1:
        raise ValueError(f"block_size: got {block_size}, at least 1 is needed")
    search = _searcher(lax.stop_gradient(x_train), weight, k, metric, block_size)

    def of_queries(queries: jax.Array) -> tuple[jax.Array, jax.Array]:
        index = search(lax.stop_gradient(queries))
        return _measure(metric, x_train, queries, index)

    num_queries = x_query.shape[0]
    num_blocks = math.ceil(num_queries / QUERIES)
    blocks = _fill_up(x_query, num_blocks).reshape(num_blocks, -1, x_query.shape[1])
    distances, index = lax.map(of_queries, blocks)
    return distances.reshape(-1, k)[:num_queries], index.reshape(-1, k)[:num_queries]


def _searcher(
    x: jax.Array, weight: jax.Array, k: int, metric: Metric, block_size: int
) -> Callable[[jax.Array], jax.Array]:
    """A function queries [B, D] -> rows [B, k] of the nearest by rank, -1 where there is none."""
    num_blocks = min(math.ceil(x.shape[0] / block_size), x.shape[0] // k)  # none has fewer than k rows
    group = max(1, math.isqrt(math.ceil(x.shape[0] / num_blocks) // k))
    ranking = _product_ranking if metric is euclidean else partial(_metric_ranking, metric)
    columns, rank = ranking(_fill_up(x, num_blocks * group), _fill_up(weight, num_blocks * group))
    blocks = columns.reshape(num_blocks, -1, columns.shape[1])
    starts = blocks.shape[1] * jnp.arange(num_blocks, dtype=jnp.int32)

    def search(queries: jax.Array) -> jax.Array:
        def merge(best, block_and_start):
            block, start = block_and_start
            least, rows = smallest_of_many(rank(block, queries), k, group)
            least, places = smallest(jnp.concatenate([best[0], least]), k)
            return (least, jnp.take_along_axis(jnp.concatenate([best[1], rows + start]), places, axis=0)), None

        nothing = jnp.full((k, queries.shape[0]), jnp.inf, x.dtype), jnp.full((k, queries.shape[0]), -1)
        (least, rows), _ = lax.scan(merge, nothing, (blocks, starts))
        return jnp.where(jnp.isinf(least), -1, rows).T

    return search


def _product_ranking(x: jax.Array, weight: jax.Array) -> tuple[jax.Array, Rank]:
    """|x|^2 - 2 x . z, which orders rows as |x - z| does, as one product: (x, |x|^2) . (-2 z, 1)."""
    centre = weight @ x / at_least_tiny(jnp.sum(weight))
    x = x - centre[None]
    square = jnp.where(weight > 0, jnp.sum(jnp.square(x), axis=1), jnp.inf)

    def rank(columns: jax.Array, queries: jax.Array) -> jax.Array:
        return columns @ jnp.pad(-2 * (queries - centre[None]), ((0, 0), (0, 1)), constant_values=1).T

    return jnp.concatenate([x, square[:, None]], axis=1), rank


def _metric_ranking(metric: Metric, x: jax.Array, weight: jax.Array) -> tuple[jax.Array, Rank]:
    """The distance itself."""
    offset = jnp.where(weight > 0, jnp.zeros_like(weight), jnp.inf)

    def rank(columns: jax.Array, queries: jax.Array) -> jax.Array:
        return pairwise(metric, columns[:, :-1], queries) + columns[:, -1:]

    return jnp.concatenate([x, offset[:, None]], axis=1), rank


def _measure(metric: Metric, x_train: jax.Array, queries: jax.Array, index: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Exact distances of the chosen rows, ascending, with their indices: queries [B, D], index [B, k]."""
    distances = jax.vmap(jax.vmap(metric, (0, None)))(x_train[index], queries)
    distances = jnp.where(index >= 0, distances, jnp.inf)
    order = jnp.argsort(lax.stop_gradient(distances), axis=1)
    return jnp.take_along_axis(distances, order, axis=1), jnp.take_along_axis(index, order, axis=1)


def _fill_up(rows: jax.Array, multiple_of: int) -> jax.Array:
    """rows [N, ...] with rows of zeros behind them, to the next multiple."""
    return jnp.pad(rows, [(0, -rows.shape[0] % multiple_of)] + [(0, 0)] * (rows.ndim - 1))


def knn_classifier(num_classes: int, k: int = 5, *, metric: Metric = euclidean, block_size: int = 16384) -> Estimator:
    """Classes by their share among the k nearest rows; `predict` returns probabilities [N, K]."""
    return _estimator(num_classes, k, metric, block_size)


def knn_regressor(k: int = 5, *, metric: Metric = euclidean, block_size: int = 16384) -> Estimator:
    """The mean of the k nearest rows' y; `predict` returns [N]."""
    return _estimator(None, k, metric, block_size)


def _estimator(num_classes: int | None, k: int, metric: Metric, block_size: int) -> Estimator:
    def fit_rows(key: Any, hypers: Hypers, x: jax.Array, y: jax.Array, weight: Any = None) -> Neighbours:
        return fit(hypers, x, y, weight, num_classes=num_classes)

    return Estimator(fit_rows, partial(predict, k=k, metric=metric, block_size=block_size))
