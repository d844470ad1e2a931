"""k-means: K centres that make the sum of squared distances of rows to their nearest centre small.

    inertia(c) = sum_n w_n min_k |x_n - c_k|²

Lloyd's iteration gives each row to its nearest centre and moves each centre to the mean of its rows. Neither half can
raise the inertia, so it ends, in a local minimum that depends on the first centres: hence k-means++ and restarts.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical.kmeans_init import k_means_plus_plus
from mlr_jax.classical.kmeans_lloyd import assign, centred, move_centers, squared_errors
from mlr_jax.classical.rows import as_features, as_rows, at_least_tiny, rows_of
from mlr_jax.core.collectives import data_sum
from mlr_jax.core.types import Batch, Estimator, Key, Learner, Metrics


class Hypers(NamedTuple):
    """What a sweep can vary."""

    tolerance: float = 1e-4
    """Stop when sum_k |shift of centre k|² is no greater than this share of the mean variance of the columns."""


class KMeans(NamedTuple):
    """Centres [K, D], their inertia [], the iterations taken [] and whether the tolerance was met []."""

    centers: jax.Array
    inertia: jax.Array
    iterations: jax.Array
    converged: jax.Array


def fit(
    hypers: Hypers,
    x: jax.typing.ArrayLike,
    weight: jax.typing.ArrayLike | None = None,
    *,
    key: Key,
    num_clusters: int,
    restarts: int = 1,
    max_iterations: int = 300,
    trials: int | None = None,
) -> KMeans:
    """The best of several runs of Lloyd's iteration, each from centres of its own by k-means++.

    x [N, D]; weight [N]. trials: see `k_means_plus_plus`. Raises ValueError for fewer rows than clusters.
    """
    x, _, weight = as_rows(x, None, weight)
    _check(x, num_clusters, restarts, max_iterations)
    mean, x = centred(x, weight)

    def run(key: Key) -> KMeans:
        first = k_means_plus_plus(key, x, weight, num_clusters, trials)
        return _lloyd(hypers, x, weight, first, max_iterations)

    # One after another: each stops when it is done, and rows stay in the cache.
    runs = lax.map(run, jax.random.split(key, restarts))
    best = jax.tree.map(lambda leaf: leaf[jnp.argmin(runs.inertia)], runs)
    return best._replace(centers=best.centers + mean[None])


def lloyd(
    hypers: Hypers,
    x: jax.typing.ArrayLike,
    centers: jax.typing.ArrayLike,
    weight: jax.typing.ArrayLike | None = None,
    *,
    max_iterations: int = 300,
) -> KMeans:
    """Lloyd's iteration from given centers [K, D]. Raises ValueError for fewer rows than clusters."""
    x, _, weight = as_rows(x, None, weight)
    centers = jnp.asarray(centers, x.dtype)
    _check(x, centers.shape[0], 1, max_iterations)
    mean, x = centred(x, weight)
    model = _lloyd(hypers, x, weight, centers - mean[None], max_iterations)
    return model._replace(centers=model.centers + mean[None])


def predict(model: KMeans, x: jax.typing.ArrayLike) -> jax.Array:
    """The nearest centre of each row: x [N, D] -> labels [N], int32."""
    return _labels(model.centers, as_features(x))


def transform(model: KMeans, x: jax.typing.ArrayLike) -> jax.Array:
    """The distance of each row to each centre: x [N, D] -> [N, K]."""
    x = as_features(x)
    return lax.map(lambda center: jnp.sqrt(jnp.sum((x - center[None]) ** 2, axis=1)), model.centers).T


def score_samples(model: KMeans, x: jax.typing.ArrayLike) -> jax.Array:
    """-min_k |x - c_k|²: x [N, D] -> [N]; a greater score is a better fit."""
    return _scores(model.centers, as_features(x))


def score(model: KMeans, x: jax.typing.ArrayLike, weight: jax.typing.ArrayLike | None = None) -> jax.Array:
    """Minus the inertia of rows x [N, D] with weight [N]: []."""
    x, _, weight = as_rows(x, None, weight)
    return weight @ score_samples(model, x)


def k_means(*, num_clusters: int, restarts: int = 1, max_iterations: int = 300, trials: int | None = None) -> Estimator:
    """The estimator. It does not look at y, and its prediction is `score_samples`: a held-out mean needs no labels."""

    def fit_rows(key: Key, hypers: Hypers, x: jax.Array, y: Any, weight: jax.Array) -> KMeans:
        return fit(
            hypers, x, weight,
            key=key, num_clusters=num_clusters, restarts=restarts, max_iterations=max_iterations, trials=trials,
        )  # fmt: skip

    return Estimator(fit_rows, score_samples)


class State(NamedTuple):
    """The steps taken [] and the centres [K, D]."""

    step: jax.Array
    key: Key
    hypers: Hypers
    centers: jax.Array


def k_means_learner(*, num_features: int, num_clusters: int, trials: int | None = None) -> Learner:
    """One of Lloyd's iterations a step, each meant to be given the whole set; the first starts from k-means++.

    Batches hold "x" [B, D] and may hold "weight" and "mask" [B]. Training metrics: the inertia before the move, a mean
    over rows; whether the tolerance is met. Evaluation: the squared distance to the nearest centre.
    """

    def init(key: Key, hypers: Hypers) -> State:
        return State(jnp.int32(0), key, hypers, jnp.zeros((num_clusters, num_features)))

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        x, _, weight = rows_of(batch)
        mean, x = centred(x, weight)
        centers = first_centers(state, x, weight, state.centers - mean[None])
        moved = move_centers(x, weight, centers)
        errors = squared_errors(x, centers, assign(x, centers))
        total, inertia = data_sum((jnp.sum(weight), weight @ errors))
        is_still = jnp.sum((moved - centers) ** 2) <= _threshold(state.hypers, x, weight)
        metrics = {"inertia": inertia / at_least_tiny(total), "converged": is_still.astype(x.dtype)}
        return state._replace(step=state.step + 1, centers=moved + mean[None]), metrics

    def first_centers(state: State, x: jax.Array, weight: jax.Array, centers: jax.Array) -> jax.Array:
        # A loop that runs once or not at all: under vmap a `cond` would run k-means++ in every step.
        def start(_: tuple) -> tuple:
            return jnp.int32(1), k_means_plus_plus(state.key, x, weight, num_clusters, trials)

        return lax.while_loop(lambda carry: carry[0] == 0, start, (state.step, centers))[1]

    def evaluate(state: State, batch: Batch) -> Metrics:
        x, _, _ = rows_of(batch)
        return {"squared_distance": -_scores(state.centers, x)}

    return Learner(init, step, evaluate)


def _lloyd(hypers: Hypers, x: jax.Array, weight: jax.Array, centers: jax.Array, max_iterations: int) -> KMeans:
    """Lloyd's iteration on centred rows, to the tolerance."""
    threshold = _threshold(hypers, x, weight)

    def is_moving(carry: tuple) -> jax.Array:
        iterations, _, shift = carry
        return (iterations < max_iterations) & (shift > threshold)

    def iterate(carry: tuple) -> tuple:
        iterations, centers, _ = carry
        moved = move_centers(x, weight, centers)
        return iterations + 1, moved, jnp.sum((moved - centers) ** 2)

    start = jnp.int32(0), centers, jnp.asarray(jnp.inf, x.dtype)
    iterations, centers, shift = lax.while_loop(is_moving, iterate, start)
    inertia = weight @ squared_errors(x, centers, assign(x, centers))
    return KMeans(centers, inertia, iterations, shift <= threshold)


def _threshold(hypers: Hypers, x: jax.Array, weight: jax.Array) -> jax.Array:
    """The tolerance times the mean variance of the columns of centred rows, over all devices: []."""
    total, squares = data_sum((jnp.sum(weight), jnp.sum(weight[:, None] * x**2, axis=0)))
    return jnp.asarray(hypers.tolerance, x.dtype) * jnp.mean(squares) / at_least_tiny(total)


def _scores(centers: jax.Array, x: jax.Array) -> jax.Array:
    return -squared_errors(x, centers, _labels(centers, x))


def _labels(centers: jax.Array, x: jax.Array) -> jax.Array:
    mean = jnp.mean(centers, axis=0)[None]
    return assign(x - mean, centers - mean)


def _check(x: jax.Array, num_clusters: int, restarts: int, max_iterations: int) -> None:
    if not 1 <= num_clusters <= x.shape[0]:
        raise ValueError(f"num_clusters: got {num_clusters}, allowed are 1 to the {x.shape[0]} rows of x")
    if restarts < 1:
        raise ValueError(f"restarts: got {restarts}, at least 1 is needed")
    if max_iterations < 1:
        raise ValueError(f"max_iterations: got {max_iterations}, at least 1 is needed")
