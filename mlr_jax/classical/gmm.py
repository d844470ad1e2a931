"""Gaussian mixtures: rows drawn from one of K normal distributions, fitted by EM (Dempster, Laird and Rubin, 1977).

    p(x) = sum_k w_k Normal(x; m_k, C_k)

The E-step finds how much each component answers for each row, r_kn = w_k Normal(x_n; m_k, C_k) / p(x_n); the M-step
takes weights, means and covariances of the rows with these responsibilities. No step can lower the likelihood.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import logsumexp

from mlr_jax.classical import kmeans
from mlr_jax.classical.gmm_components import Components, from_responsibilities, from_sums, log_joint, sums_of
from mlr_jax.classical.kmeans_init import k_means_plus_plus
from mlr_jax.classical.kmeans_lloyd import assign, centred
from mlr_jax.classical.row_blocks import sum_over_blocks
from mlr_jax.classical.rows import as_features, as_rows, at_least_tiny, rows_of
from mlr_jax.core.collectives import data_sum
from mlr_jax.core.types import Batch, Estimator, Key, Learner, Metrics

BLOCK = 16384
"""Rows whose responsibilities exist at one time."""


class Hypers(NamedTuple):
    """What a sweep can vary."""

    regularization: float = 1e-6
    """Added to every variance: keeps a component from shrinking onto one row, where the likelihood has no bound."""

    tolerance: float = 1e-3
    """Stop when a step changes the mean log-likelihood of a row by less than this."""


class GaussianMixture(NamedTuple):
    """The components, the mean log-likelihood [] found by the last E-step, the steps [], whether they converged []."""

    components: Components
    log_likelihood: jax.Array
    iterations: jax.Array
    converged: jax.Array


def fit(
    hypers: Hypers,
    x: jax.typing.ArrayLike,
    weight: jax.typing.ArrayLike | None = None,
    *,
    key: Key,
    num_components: int,
    diagonal: bool = False,
    restarts: int = 1,
    max_iterations: int = 100,
) -> GaussianMixture:
    """The likeliest of several runs of EM, each from the clusters of a k-means of its own.

    x [N, D]; weight [N]; `diagonal`: components without correlations. Raises ValueError for fewer rows than components.
    """
    x, _, weight = as_rows(x, None, weight)
    _check(x, num_components, restarts, max_iterations)

    def run(key: Key) -> GaussianMixture:
        clusters = kmeans.fit(kmeans.Hypers(), x, weight, key=key, num_clusters=num_components)
        responsibilities = _one_hot(kmeans.predict(clusters, x), weight, num_components)
        start = from_responsibilities(x, responsibilities, hypers.regularization, diagonal=diagonal)
        return _em(hypers, x, weight, start, max_iterations)

    runs = lax.map(run, jax.random.split(key, restarts))
    best = jnp.nanargmax(runs.log_likelihood)
    return jax.tree.map(lambda leaf: leaf[best], runs)


def em(
    hypers: Hypers,
    x: jax.typing.ArrayLike,
    responsibilities: jax.typing.ArrayLike,
    weight: jax.typing.ArrayLike | None = None,
    *,
    diagonal: bool = False,
    max_iterations: int = 100,
) -> GaussianMixture:
    """EM from given responsibilities [N, K], which sum to one for each row, beginning with an M-step."""
    x, given, weight = as_rows(x, responsibilities, weight)
    _check(x, given.shape[1], 1, max_iterations)
    start = from_responsibilities(x, given.T * weight[None], hypers.regularization, diagonal=diagonal)
    return _em(hypers, x, weight, start, max_iterations)


def score_samples(model: GaussianMixture, x: jax.typing.ArrayLike) -> jax.Array:
    """log p(x): x [N, D] -> [N]."""
    return logsumexp(log_joint(model.components, as_features(x)), axis=0)


def predict_proba(model: GaussianMixture, x: jax.typing.ArrayLike) -> jax.Array:
    """The responsibilities: x [N, D] -> [N, K], every row sums to one."""
    return jax.nn.softmax(log_joint(model.components, as_features(x)), axis=0).T


def predict(model: GaussianMixture, x: jax.typing.ArrayLike) -> jax.Array:
    """The component that answers most for each row: x [N, D] -> labels [N], int32."""
    return lax.argmax(log_joint(model.components, as_features(x)), 0, jnp.int32)


def sample(model: GaussianMixture, key: Key, num_rows: int) -> tuple[jax.Array, jax.Array]:
    """Rows drawn from the mixture, [num_rows, D], and the component of each, [num_rows], int32."""
    weights, means, covariances, _ = model.components
    label_key, noise_key = jax.random.split(key)
    labels = jax.random.categorical(label_key, jnp.log(weights), shape=(num_rows,)).astype(jnp.int32)
    noise = jax.random.normal(noise_key, (num_rows, means.shape[1]), means.dtype)
    if covariances.ndim == 2:
        return means[labels] + jnp.sqrt(covariances)[labels] * noise, labels
    return means[labels] + jnp.einsum("nde,ne->nd", jnp.linalg.cholesky(covariances)[labels], noise), labels


def bic(model: GaussianMixture, x: jax.typing.ArrayLike, weight: jax.typing.ArrayLike | None = None) -> jax.Array:
    """Bayesian information criterion, P log N - 2 sum_n w_n log p(x_n), P free parameters (Schwarz, 1978): []."""
    x, _, weight = as_rows(x, None, weight)
    penalty = _num_parameters(model) * jnp.log(jnp.sum(weight))
    return penalty - 2.0 * weight @ score_samples(model, x)


def aic(model: GaussianMixture, x: jax.typing.ArrayLike, weight: jax.typing.ArrayLike | None = None) -> jax.Array:
    """Akaike's information criterion, 2 P - 2 sum_n w_n log p(x_n), P free parameters (Akaike, 1974): []."""
    x, _, weight = as_rows(x, None, weight)
    return 2.0 * _num_parameters(model) - 2.0 * weight @ score_samples(model, x)


def gaussian_mixture(
    *, num_components: int, diagonal: bool = False, restarts: int = 1, max_iterations: int = 100
) -> Estimator:
    """The estimator. It does not look at y, and its prediction is `score_samples`: a held-out mean needs no labels."""

    def fit_rows(key: Key, hypers: Hypers, x: jax.Array, y: Any, weight: jax.Array) -> GaussianMixture:
        return fit(
            hypers, x, weight,
            key=key, num_components=num_components, diagonal=diagonal, restarts=restarts, max_iterations=max_iterations,
        )  # fmt: skip

    return Estimator(fit_rows, score_samples)


class State(NamedTuple):
    """The steps taken [] and the components."""

    step: jax.Array
    key: Key
    hypers: Hypers
    components: Components


def gaussian_mixture_learner(*, num_features: int, num_components: int, diagonal: bool = False) -> Learner:
    """One step of EM a step, each meant to be given the whole set; the first starts from clusters around k-means++.

    Batches hold "x" [B, D] and may hold "weight" and "mask" [B]. Training metrics: the log-likelihood before the step,
    a mean over rows. Evaluation: log p(x) of each row.
    """
    shape = (num_components, *(1 if diagonal else 2) * (num_features,))

    def init(key: Key, hypers: Hypers) -> State:
        zeros = jnp.zeros(shape)
        components = Components(jnp.zeros(num_components), jnp.zeros((num_components, num_features)), zeros, zeros)
        return State(jnp.int32(0), key, hypers, components)

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        x, _, weight = rows_of(batch)
        components, log_likelihood = _em_step(state.hypers, x, weight, first_components(state, x, weight))
        return state._replace(step=state.step + 1, components=components), {"log_likelihood": log_likelihood}

    def first_components(state: State, x: jax.Array, weight: jax.Array) -> Components:
        def start(_: tuple) -> tuple:
            around = centred(x, weight)[1]
            labels = assign(around, k_means_plus_plus(state.key, around, weight, num_components))
            given = _one_hot(labels, weight, num_components)
            return jnp.int32(1), from_responsibilities(x, given, state.hypers.regularization, diagonal=diagonal)

        # A loop that runs once or not at all: under vmap a `cond` would run k-means++ in every step.
        _, components = lax.while_loop(lambda carry: carry[0] == 0, start, (state.step, state.components))
        return components

    def evaluate(state: State, batch: Batch) -> Metrics:
        x, _, _ = rows_of(batch)
        return {"log_prob": logsumexp(log_joint(state.components, x), axis=0)}

    return Learner(init, step, evaluate)


def _em(hypers: Hypers, x: jax.Array, weight: jax.Array, start: Components, max_iterations: int) -> GaussianMixture:
    tolerance = jnp.asarray(hypers.tolerance, x.dtype)

    def is_rising(carry: tuple) -> jax.Array:
        _, _, change, iterations = carry
        return (iterations < max_iterations) & ~(jnp.abs(change) < tolerance)

    def iterate(carry: tuple) -> tuple:
        components, before, _, iterations = carry
        components, log_likelihood = _em_step(hypers, x, weight, components)
        return components, log_likelihood, log_likelihood - before, iterations + 1

    infinity = jnp.asarray(jnp.inf, x.dtype)
    end = lax.while_loop(is_rising, iterate, (start, -infinity, infinity, jnp.int32(0)))
    components, log_likelihood, change, iterations = end
    return GaussianMixture(components, log_likelihood, iterations, jnp.abs(change) < tolerance)


def _em_step(hypers: Hypers, x: jax.Array, weight: jax.Array, components: Components) -> tuple[Components, jax.Array]:
    """E-step and M-step in one pass over the rows of all devices, and the mean log-likelihood before it, []."""

    def of_block(x: jax.Array, weight: jax.Array) -> tuple:
        joint = log_joint(components, x)
        log_prob = logsumexp(joint, axis=0)
        responsibilities = weight[None] * jnp.exp(joint - log_prob[None])
        sums = sums_of(x, responsibilities, components.means, diagonal=components.factors.ndim == 2)
        return sums, weight @ log_prob, jnp.sum(weight)

    sums, log_likelihood, total = data_sum(sum_over_blocks(of_block, (x, weight), BLOCK))
    return from_sums(sums, components.means, hypers.regularization), log_likelihood / at_least_tiny(total)


def _one_hot(labels: jax.Array, weight: jax.Array, num_components: int) -> jax.Array:
    return jnp.where(labels[None] == jnp.arange(num_components)[:, None], weight[None], 0.0)


def _num_parameters(model: GaussianMixture) -> int:
    weights, means, covariances, _ = model.components
    features = means.shape[1]
    of_covariance = features if covariances.ndim == 2 else features * (features + 1) // 2
    return weights.size - 1 + means.size + weights.size * of_covariance


def _check(x: jax.Array, num_components: int, restarts: int, max_iterations: int) -> None:
    if not 1 <= num_components <= x.shape[0]:
        raise ValueError(f"num_components: got {num_components}, allowed are 1 to the {x.shape[0]} rows of x")
    if restarts < 1:
        raise ValueError(f"restarts: got {restarts}, at least 1 is needed")
    if max_iterations < 1:
        raise ValueError(f"max_iterations: got {max_iterations}, at least 1 is needed")
