"""Naive Bayes: Bayes' theorem with features that are taken as independent within a class.

    p(y = k | x) = p(k) prod_d p(x_d | k) / sum_j p(j) prod_d p(x_d | j)

The three likelihoods here need one statistic, the weight, mean and squared deviation of each class, and are closed
forms of it. It adds up over batches: the learner sees the data once, in pieces, and ends in the same model.
(Maron, 1961; McCallum & Nigam, 1998, for the multinomial and Bernoulli forms.)
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.classical.row_blocks import sum_over_blocks
from mlr_jax.classical.rows import as_features, as_rows, rows_of
from mlr_jax.core.collectives import data_sum
from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.types import Batch, Estimator, Key, Learner, Metrics

BLOCK = 2048
"""Rows that are summed at a time: few enough to stay in a core's cache."""


class GaussianHypers(NamedTuple):
    """What a sweep can vary."""

    variance_smoothing: float = 1e-9
    """Added to every variance, as a share of the greatest variance of a feature over all rows."""


class CountHypers(NamedTuple):
    """What a sweep can vary in the multinomial and the Bernoulli form."""

    alpha: float = 1.0
    """How often each feature (and, in the Bernoulli form, its absence) is taken as seen before any row is."""
    threshold: float = 0.0
    """In the Bernoulli form a feature is present where it is greater than this."""


class Moments(NamedTuple):
    """Of each class: total weight [K], mean [K, D] and sum of squared deviations [K, D]."""

    weight: jax.Array
    mean: jax.Array
    squares: jax.Array


class Gaussian(NamedTuple):
    """log p(k) [K], and the mean and variance of each feature in each class, [K, D]."""

    log_prior: jax.Array
    mean: jax.Array
    variance: jax.Array


class Linear(NamedTuple):
    """A model whose log joint is linear, x @ slope' + offset: slope [K, D], offset [K], and its log p(k) [K].

    threshold: where a feature begins to be present, [] (Bernoulli); -infinity takes x as it is (multinomial)
    """

    log_prior: jax.Array
    slope: jax.Array
    offset: jax.Array
    threshold: jax.Array


class Likelihood(NamedTuple):
    """One form of p(x | k).

    features:  hypers, x [N, D] -> what the moments are taken of
    estimate:  hypers, moments -> model
    log_joint: model, x [N, D] -> log p(k) + log p(x | k), [N, K]
    """

    features: Callable[[Any, jax.Array], jax.Array]
    estimate: Callable[[Any, Moments], Any]
    log_joint: Callable[[Any, jax.Array], jax.Array]


def moments(x: jax.Array, y: jax.Array, weight: jax.Array, num_classes: int) -> Moments:
    """The statistic of x [N, D], y [N] and weight [N], over all devices; a class without rows has mean 0.

    In two passes, since one pass, sum x^2 - n mean^2, loses the digits by which means exceed deviations.
    """

    def sums(x: jax.Array, y: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
        members = _members(y, weight, num_classes, x.dtype)
        return jnp.sum(members, axis=0), members.T @ x

    def squares(x: jax.Array, y: jax.Array, weight: jax.Array) -> jax.Array:
        deviations = x - _members(y, jnp.ones_like(weight), num_classes, x.dtype) @ mean
        return _members(y, weight, num_classes, x.dtype).T @ jnp.square(deviations)

    totals, sum_x = data_sum(sum_over_blocks(sums, (x, y, weight), BLOCK))
    mean = sum_x / jnp.where(totals > 0, totals, 1)[:, None]
    return Moments(totals, mean, data_sum(sum_over_blocks(squares, (x, y, weight), BLOCK)))


def _members(y: jax.Array, weight: jax.Array, num_classes: int, dtype: jax.typing.DTypeLike) -> jax.Array:
    """weight_n where row n is of class k, else 0: [N, K]. A product with it beats adding up row by row."""
    return jax.nn.one_hot(y, num_classes, dtype=dtype) * weight[:, None]


def merge(first: Moments, second: Moments) -> Moments:
    """The moments of two sets of rows together (Chan, Golub & LeVeque, 1983)."""
    total = first.weight + second.weight
    share = (second.weight / jnp.where(total > 0, total, 1))[:, None]
    gap = second.mean - first.mean
    squares = first.squares + second.squares + first.weight[:, None] * share * jnp.square(gap)
    return Moments(total, first.mean + share * gap, squares)


def log_prior(moments: Moments) -> jax.Array:
    """log of each class's share of the weight [K]; -infinity for a class without rows."""
    return jnp.log(moments.weight / jnp.sum(moments.weight))


def _gaussian(hypers: GaussianHypers, moments: Moments) -> Gaussian:
    weight, mean, squares = moments
    total, safe = jnp.sum(weight), jnp.where(weight > 0, weight, 1)[:, None]
    between = weight @ jnp.square(mean - (weight @ mean / total)[None])
    overall = (jnp.sum(squares, axis=0) + between) / total
    added = jnp.asarray(hypers.variance_smoothing, mean.dtype) * jnp.max(overall)
    # Where nothing varies at all any positive number serves: features then tell no class from another.
    return Gaussian(log_prior(moments), mean, jnp.maximum(squares / safe + added, jnp.finfo(mean.dtype).tiny))


def _gaussian_log_joint(model: Gaussian, x: jax.Array) -> jax.Array:
    def of_class(log_prior: jax.Array, mean: jax.Array, variance: jax.Array) -> jax.Array:
        deviations = jnp.square(x - mean[None]) @ (1 / variance)
        return log_prior - 0.5 * (jnp.sum(jnp.log(2 * jnp.pi * variance)) + deviations)

    return jax.vmap(of_class, out_axes=1)(*model)


def _multinomial(hypers: CountHypers, moments: Moments) -> Linear:
    counts = moments.weight[:, None] * moments.mean + jnp.asarray(hypers.alpha, moments.mean.dtype)
    log_probability = jnp.log(counts) - jnp.log(jnp.sum(counts, axis=1))[:, None]
    prior = log_prior(moments)
    return Linear(prior, log_probability, prior, jnp.asarray(-jnp.inf, prior.dtype))


def _bernoulli(hypers: CountHypers, moments: Moments) -> Linear:
    alpha, threshold = (jnp.asarray(hyper, moments.mean.dtype) for hyper in hypers)
    present = moments.weight[:, None] * moments.mean + alpha
    absent = moments.weight[:, None] * (1 - moments.mean) + alpha
    total = jnp.log(moments.weight + 2 * alpha)[:, None]
    prior = log_prior(moments)
    offset = prior + jnp.sum(jnp.log(absent) - total, axis=1)
    return Linear(prior, jnp.log(present) - jnp.log(absent), offset, threshold)


def _linear_log_joint(model: Linear, x: jax.Array) -> jax.Array:
    present = (x > model.threshold).astype(x.dtype)
    return jnp.where(model.threshold > -jnp.inf, present, x) @ model.slope.T + model.offset[None]


gaussian = Likelihood(lambda hypers, x: x, _gaussian, _gaussian_log_joint)
"""p(x_d | k) = N(x_d; mean_kd, variance_kd)."""

multinomial = Likelihood(lambda hypers, x: x, _multinomial, _linear_log_joint)
"""p(x | k) ~ prod_d p_kd^x_d for counts x_d >= 0, with p_kd = (alpha + sum x_d) / (alpha D + sum_d sum x_d)."""

bernoulli = Likelihood(lambda hypers, x: (x > hypers.threshold).astype(x.dtype), _bernoulli, _linear_log_joint)
"""p(x | k) = prod_d p_kd^b_d (1 - p_kd)^(1 - b_d) with b_d = 1 where x_d > threshold."""


def fit(
    hypers: Any,
    x: jax.typing.ArrayLike,
    y: jax.typing.ArrayLike,
    weight: jax.typing.ArrayLike | None = None,
    *,
    likelihood: Likelihood,
    num_classes: int,
) -> Any:
    """The model of x [N, D], classes y [N] in [0, K) and weight [N], under one of the three likelihoods."""
    x, labels, weight = as_rows(x, y, weight)
    return likelihood.estimate(hypers, moments(likelihood.features(hypers, x), labels, weight, num_classes))


def log_joint(model: Gaussian | Linear, x: jax.typing.ArrayLike) -> jax.Array:
    """log p(k) + log p(x | k): x [N, D] -> [N, K] (up to a term of x alone in the multinomial form)."""
    x = as_features(x)
    return _gaussian_log_joint(model, x) if isinstance(model, Gaussian) else _linear_log_joint(model, x)


def predict(model: Gaussian | Linear, x: jax.typing.ArrayLike) -> jax.Array:
    """p(k | x): x [N, D] -> [N, K], every row sums to one."""
    return jax.nn.softmax(log_joint(model, x))


def naive_bayes(likelihood: Likelihood, num_classes: int) -> Estimator:
    """The estimator of a likelihood: `gaussian`, `multinomial` or `bernoulli`."""

    def fit_rows(key: Key, hypers: Any, x: jax.Array, y: jax.Array, weight: jax.Array) -> Any:
        return fit(hypers, x, y, weight, likelihood=likelihood, num_classes=num_classes)

    return Estimator(fit_rows, predict)


class State(NamedTuple):
    """What a learner has seen so far."""

    key: Key
    hypers: Any
    moments: Moments


def naive_bayes_learner(likelihood: Likelihood, num_features: int, num_classes: int) -> Learner:
    """A learner that adds a batch's moments a step; after the last batch its model is that of the whole set.

    Batches hold x [B, D], y [B] in [0, K), and may hold weight and mask, [B]. Training metrics: the weight seen so
    far. Evaluation: loss -log p(y | x) and accuracy of each row.
    """

    def init(key: Key, hypers: Any) -> State:
        zeros = jnp.zeros((num_classes, num_features))
        return State(key, as_arrays(hypers), Moments(zeros[:, 0], zeros, zeros))

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        x, y, weight = rows_of(batch)
        new = moments(likelihood.features(state.hypers, x), y, weight, num_classes)
        merged = merge(state.moments, new)
        return state._replace(moments=merged), {"weight": jnp.sum(merged.weight)}

    def evaluate(state: State, batch: Batch) -> Metrics:
        x, y, _ = rows_of(batch)
        joint = likelihood.log_joint(likelihood.estimate(state.hypers, state.moments), x)
        log_probability = jax.nn.log_softmax(joint)
        loss = -jnp.take_along_axis(log_probability, y[:, None], axis=1)[:, 0]
        return {"loss": loss, "accuracy": (jnp.argmax(joint, axis=1) == y).astype(x.dtype)}

    return Learner(init, step, evaluate)
