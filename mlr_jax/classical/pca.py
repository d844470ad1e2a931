"""Principal components: the directions along which rows vary most (Pearson, 1901; Hotelling, 1933).

They are the eigenvectors u_j of the covariance matrix S / (sum_n w_n - 1) with S = sum_n w_n (x_n - mean)(x_n - mean)',
or the right singular vectors of the centred rows; its eigenvalues are the variances along them. With as many as rows
have columns they turn the axes; with Q of them z = U (x - mean) is the projection that loses the least squares.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical.kmeans_lloyd import centred
from mlr_jax.classical.rows import as_features, as_rows, at_least_tiny, rows_of
from mlr_jax.classical.scatter import scatter
from mlr_jax.core.types import Batch, Estimator, Key, Learner, Metrics


class Hypers(NamedTuple):
    """Nothing enters but the data."""


class PCA(NamedTuple):
    """The mean [D], the components [Q, D] as rows of length one, and what they explain.

    variance [Q]: along each component, the greatest first; ratio [Q]: its share of the total variance; noise []: the
    mean variance of the directions left out, the sigma² of probabilistic PCA. The entry of a component that is
    greatest in size is positive.
    """

    mean: jax.Array
    components: jax.Array
    variance: jax.Array
    ratio: jax.Array
    noise: jax.Array


def fit(
    hypers: Hypers, x: jax.typing.ArrayLike, weight: jax.typing.ArrayLike | None = None, *, num_components: int
) -> PCA:
    """The first Q components of x [N, D] with weight [N], which counts rows.

    From the eigenvectors of the covariance matrix where N >= D, else from the singular vectors of the rows. Raises
    ValueError for more components than min(N, D).
    """
    x, _, weight = as_rows(x, None, weight)
    _check(num_components, x)
    if x.shape[0] >= x.shape[1]:
        return _from_scatter(*scatter(x, weight), num_components)
    mean, x = centred(x, weight)
    _, singular_values, components = jnp.linalg.svd(jnp.sqrt(weight)[:, None] * x, full_matrices=False)
    squares = singular_values**2
    left_out = jnp.sum(squares[num_components:])
    return _model(jnp.sum(weight), mean, components[:num_components], squares[:num_components], left_out)


def fit_randomized(
    hypers: Hypers,
    x: jax.typing.ArrayLike,
    weight: jax.typing.ArrayLike | None = None,
    *,
    key: Key,
    num_components: int,
    oversamples: int = 10,
    power_iterations: int = 4,
) -> PCA:
    """The same, nearly, for 4 N D (Q + oversamples)(power iterations + 1) operations (Halko, Martinsson, Tropp, 2011).

    The rows times a few random directions span nearly what the first singular vectors span. Multiplying by x x' again
    and again turns the span towards them, and an orthonormal basis in between keeps small ones from drowning.
    """
    x, _, weight = as_rows(x, None, weight)
    _check(num_components, x)
    mean, x = centred(x, weight)
    x = jnp.sqrt(weight)[:, None] * x
    width = min(num_components + oversamples, *x.shape)

    def iterate(_: jax.Array, basis: jax.Array) -> jax.Array:
        return jnp.linalg.qr(x.T @ jnp.linalg.qr(x @ basis).Q).Q

    basis = jax.random.normal(key, (x.shape[1], width), x.dtype)
    basis = lax.fori_loop(0, power_iterations, iterate, basis)
    basis = jnp.linalg.qr(x @ basis).Q
    _, singular_values, components = jnp.linalg.svd(basis.T @ x, full_matrices=False)
    squares = singular_values[:num_components] ** 2
    left_out = jnp.maximum(jnp.sum(x**2) - jnp.sum(squares), 0.0)
    return _model(jnp.sum(weight), mean, components[:num_components], squares, left_out)


def transform(model: PCA, x: jax.typing.ArrayLike, *, whiten: bool = False) -> jax.Array:
    """z = U (x - mean): x [N, D] -> [N, Q]; whitened, each column is divided by its standard deviation."""
    z = as_features(x) @ model.components.T - (model.components @ model.mean)[None]
    return z / _deviations(model)[None] if whiten else z


def inverse_transform(model: PCA, z: jax.typing.ArrayLike, *, whiten: bool = False) -> jax.Array:
    """mean + U' z: z [N, Q] -> the nearest rows that the components can make, [N, D]."""
    z = as_features(z)
    z = z * _deviations(model)[None] if whiten else z
    return z @ model.components + model.mean[None]


def score_samples(model: PCA, x: jax.typing.ArrayLike) -> jax.Array:
    """log p(x) under probabilistic PCA (Tipping and Bishop, 1999): x [N, D] -> [N].

    x ~ Normal(mean, U' diag(variance - noise) U + noise I), so with z = U (x - mean)

        log p = -(D log 2 pi + sum_j log variance_j + (D - Q) log noise + sum_j z_j² / variance_j + r / noise) / 2

    and r = |x - mean|² - |z|² is what the components leave. With Q = D there is no noise; where noise is 0 and Q < D
    the density does not exist.
    """
    centred_x = as_features(x) - model.mean[None]
    z = centred_x @ model.components.T
    left_out = centred_x.shape[1] - z.shape[1]
    log_det = jnp.sum(jnp.log(model.variance))
    distance = jnp.sum(z**2 / model.variance[None], axis=1)
    if left_out:
        log_det += left_out * jnp.log(model.noise)
        distance += jnp.sum((centred_x - z @ model.components) ** 2, axis=1) / model.noise
    return -0.5 * (centred_x.shape[1] * math.log(2 * math.pi) + log_det + distance)


def pca(*, num_components: int) -> Estimator:
    """The estimator. It does not look at y, and its prediction is `score_samples`: a held-out mean needs no labels."""

    def fit_rows(key: Key, hypers: Hypers, x: jax.Array, y: Any, weight: jax.Array) -> PCA:
        return fit(hypers, x, weight, num_components=num_components)

    return Estimator(fit_rows, score_samples)


class State(NamedTuple):
    """What is known of the rows so far: their total weight [], mean [D] and scatter matrix [D, D]."""

    key: Key
    hypers: Hypers
    total: jax.Array
    mean: jax.Array
    scatter: jax.Array


def pca_learner(*, num_features: int, num_components: int) -> Learner:
    """A step adds the rows of its batch; after one pass over a set the components are exactly those of the set.

    Batches hold "x" [B, D] and may hold "weight" and "mask" [B]. Training metrics: the total weight so far and the
    total variance. Evaluation: the squared error of each row's reconstruction.
    """

    def init(key: Key, hypers: Hypers) -> State:
        zeros = jnp.zeros((num_features, num_features))
        return State(key, hypers, zeros[0, 0], zeros[0], zeros)

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        x, _, weight = rows_of(batch)
        state = _merge(state, *scatter(x, weight))
        variance = jnp.trace(state.scatter) / _degrees(state.total)
        return state, {"rows": state.total, "variance": variance}

    def evaluate(state: State, batch: Batch) -> Metrics:
        x, _, _ = rows_of(batch)
        model = principal_components(state, num_components)
        return {"squared_error": jnp.sum((x - inverse_transform(model, transform(model, x))) ** 2, axis=1)}

    return Learner(init, step, evaluate)


def principal_components(state: State, num_components: int) -> PCA:
    """The components of the rows that the learner was given so far."""
    return _from_scatter(state.total, state.mean, state.scatter, num_components)


def _merge(state: State, total: jax.Array, mean: jax.Array, scatter: jax.Array) -> State:
    """Two sets as one: their means differ by d, and their scatter matrices add up to a d d' less than the whole's."""
    both = state.total + total
    share = total / at_least_tiny(both)
    difference = mean - state.mean
    between = state.total * share * difference[:, None] * difference[None]
    return state._replace(total=both, mean=state.mean + share * difference, scatter=state.scatter + scatter + between)


def _from_scatter(total: jax.Array, mean: jax.Array, scatter: jax.Array, num_components: int) -> PCA:
    squares, vectors = jnp.linalg.eigh(scatter)
    squares, components = jnp.maximum(squares[::-1], 0.0), vectors.T[::-1]
    left_out = jnp.sum(squares[num_components:])
    return _model(total, mean, components[:num_components], squares[:num_components], left_out)


def _model(total: jax.Array, mean: jax.Array, components: jax.Array, squares: jax.Array, left_out: jax.Array) -> PCA:
    """squares [Q]: sums of squares of the rows along the components; left_out []: along all other directions."""
    directions = jnp.minimum(total, mean.shape[0]) - squares.shape[0]
    noise = jnp.where(directions > 0, left_out / jnp.where(directions > 0, directions, 1.0), 0.0)
    degrees = _degrees(total)
    ratio = squares / at_least_tiny(jnp.sum(squares) + left_out)
    return PCA(mean, _with_signs(components), squares / degrees, ratio, noise / degrees)


def _with_signs(components: jax.Array) -> jax.Array:
    """Each row turned so that its entry of greatest size is positive: a sign that does not depend on the solver."""
    largest = jnp.argmax(jnp.abs(components), axis=1, keepdims=True)
    return jnp.where(jnp.take_along_axis(components, largest, axis=1) < 0, -components, components)


def _degrees(total: jax.Array) -> jax.Array:
    """The degrees of freedom of a variance: one less than the rows, where there are two or more."""
    return jnp.where(total > 1, total - 1, at_least_tiny(total))


def _deviations(model: PCA) -> jax.Array:
    deviations = jnp.sqrt(model.variance)
    return jnp.where(deviations > 0, deviations, 1.0)


def _check(num_components: int, x: jax.Array) -> None:
    if not 1 <= num_components <= min(x.shape):
        raise ValueError(f"num_components: got {num_components}, allowed are 1 to {min(x.shape)} (x is {x.shape})")
