"""The common distributions: log p(x), samples from an explicit key, mean and variance.

A distribution is made from its parameters, numbers or arrays [], and jax goes through: `grad` of a log density in a
parameter, `vmap` over parameters. Parameters are not checked: outside their range come NaN and nonsense. `log_prob`
takes x of any shape elementwise. Where x cannot occur it is -inf, with a finite gradient: the formula sees a harmless x
there, since the gradient of what is infinite and then left out is 0 times infinity, NaN. Where x is NaN it is NaN.
Formulas are those of Johnson, Kotz & Balakrishnan (1994) and Johnson, Kemp & Kotz (2005).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import betaln, gammaln
from jax.typing import ArrayLike

from mlr_jax.core.types import Key

Shape = tuple[int, ...]

HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)


class Distribution(NamedTuple):
    """log_prob: x -> log p(x).    sample: key, shape=() -> samples of that shape.    mean and variance: arrays []."""

    log_prob: Callable[[ArrayLike], jax.Array]
    sample: Callable[..., jax.Array]
    mean: jax.Array
    variance: jax.Array


def bernoulli(probability: ArrayLike) -> Distribution:
    """One trial: p(1) = probability, p(0) = 1 - probability."""
    p = _as_float(probability)

    def log_prob(x: ArrayLike) -> jax.Array:
        x = _as_float(x)
        outside = (x < 0) | (x > 1) | ~_is_whole(x)
        k = jnp.where(outside, 0.0, x)
        return jnp.where(outside, -jnp.inf, _x_log_y(k, p) + _x_log1p_y(1.0 - k, -p))

    def sample(key: Key, shape: Shape = ()) -> jax.Array:
        return (jax.random.uniform(key, shape, p.dtype) < p).astype(jnp.int32)

    return Distribution(log_prob, sample, p, p * (1.0 - p))


def binomial(count: ArrayLike, probability: ArrayLike) -> Distribution:
    """Successes in n = count trials: p(k) = C(n, k) p^k (1 - p)^(n - k) for k = 0, ..., n."""
    n, p = _as_float(count), _as_float(probability)

    def log_prob(x: ArrayLike) -> jax.Array:
        x = _as_float(x)
        outside = (x < 0) | (x > n) | ~_is_whole(x)
        k = jnp.where(outside, 0.0, x)
        log_choices = -jnp.log1p(n) - betaln(k + 1.0, n - k + 1.0)
        return jnp.where(outside, -jnp.inf, log_choices + _x_log_y(k, p) + _x_log1p_y(n - k, -p))

    def sample(key: Key, shape: Shape = ()) -> jax.Array:
        return jax.random.binomial(key, n, p, shape).astype(jnp.int32)

    return Distribution(log_prob, sample, n * p, n * p * (1.0 - p))


def categorical(logits: jax.Array) -> Distribution:
    """One of K outcomes 0, ..., K - 1: p(k) = softmax(logits)_k with logits [K]; mean and variance are those of k."""
    p, outcomes = jax.nn.softmax(logits), jnp.arange(logits.shape[0], dtype=logits.dtype)
    mean = p @ outcomes

    def log_prob(x: ArrayLike) -> jax.Array:
        x = _as_float(x)
        outside = (x < 0) | (x > logits.shape[0] - 1) | ~_is_whole(x)
        k = jnp.where(outside, 0.0, x)
        chosen = jax.nn.log_softmax(logits)[jnp.nan_to_num(k).astype(jnp.int32)]
        return jnp.where(jnp.isnan(x), jnp.nan, jnp.where(outside, -jnp.inf, chosen))

    def sample(key: Key, shape: Shape = ()) -> jax.Array:
        # The place of the greatest of logits + Gumbel noise has just these probabilities (Maddison et al., 2014).
        noise = jax.random.gumbel(key, (*shape, logits.shape[0]), logits.dtype)
        return jnp.argmax(noise + jnp.broadcast_to(logits, noise.shape), axis=-1)

    return Distribution(log_prob, sample, mean, p @ jnp.square(outcomes - mean))


def poisson(rate: ArrayLike) -> Distribution:
    """Events in a time in which `rate` are expected: p(k) = rate^k e^-rate / k! for k = 0, 1, ..."""
    rate = _as_float(rate)

    def log_prob(x: ArrayLike) -> jax.Array:
        x = _as_float(x)
        outside = (x < 0) | ~_is_whole(x)
        k = jnp.where(outside, 0.0, x)
        return jnp.where(outside, -jnp.inf, _x_log_y(k, rate) - rate - gammaln(k + 1.0))

    return Distribution(log_prob, lambda key, shape=(): jax.random.poisson(key, rate, shape), rate, rate)


def uniform(low: ArrayLike = 0.0, high: ArrayLike = 1.0) -> Distribution:
    """p(x) = 1 / (high - low) for low <= x <= high."""
    low, high = _as_float(low), _as_float(high)
    width = high - low

    def log_prob(x: ArrayLike) -> jax.Array:
        x = _as_float(x)
        outside = (x < low) | (x > high)
        inside = jnp.where(outside, low, x)
        return jnp.where(outside, -jnp.inf, 0.0 * inside - jnp.log(width))

    def sample(key: Key, shape: Shape = ()) -> jax.Array:
        return low + width * jax.random.uniform(key, shape, width.dtype)

    return Distribution(log_prob, sample, 0.5 * (low + high), jnp.square(width) / 12.0)


def normal(loc: ArrayLike = 0.0, scale: ArrayLike = 1.0) -> Distribution:
    """p(x) = exp(-((x - loc) / scale)^2 / 2) / (scale sqrt(2 pi))."""
    loc, scale = _as_float(loc), _as_float(scale)

    def log_prob(x: ArrayLike) -> jax.Array:
        return -0.5 * jnp.square((_as_float(x) - loc) / scale) - jnp.log(scale) - HALF_LOG_2_PI

    def sample(key: Key, shape: Shape = ()) -> jax.Array:
        return loc + scale * jax.random.normal(key, shape, scale.dtype)

    return Distribution(log_prob, sample, loc, jnp.square(scale))


def exponential(rate: ArrayLike = 1.0) -> Distribution:
    """The time to the next event: p(x) = rate e^(-rate x) for x >= 0."""
    rate = _as_float(rate)

    def log_prob(x: ArrayLike) -> jax.Array:
        x = _as_float(x)
        outside = x < 0
        inside = jnp.where(outside, 0.0, x)
        return jnp.where(outside, -jnp.inf, jnp.log(rate) - rate * inside)

    def sample(key: Key, shape: Shape = ()) -> jax.Array:
        # The distribution function F(x) = 1 - e^(-rate x), solved for x at a uniform F.
        return -jnp.log1p(-jax.random.uniform(key, shape, rate.dtype)) / rate

    return Distribution(log_prob, sample, 1.0 / rate, 1.0 / jnp.square(rate))


def gamma(concentration: ArrayLike, rate: ArrayLike = 1.0) -> Distribution:
    """p(x) = rate^a x^(a - 1) e^(-rate x) / Gamma(a) for x >= 0, with a the concentration (also called shape)."""
    a, rate = _as_float(concentration), _as_float(rate)

    def log_prob(x: ArrayLike) -> jax.Array:
        x = _as_float(x)
        outside = (x < 0) | (x == jnp.inf)
        inside = jnp.where(outside, 1.0, x)
        log_density = a * jnp.log(rate) + _x_log_y(a - 1.0, inside) - rate * inside - gammaln(a)
        return jnp.where(outside, -jnp.inf, log_density)

    def sample(key: Key, shape: Shape = ()) -> jax.Array:
        return jax.random.gamma(key, a, shape, a.dtype) / rate

    return Distribution(log_prob, sample, a / rate, a / jnp.square(rate))


def beta(a: ArrayLike, b: ArrayLike) -> Distribution:
    """p(x) = x^(a - 1) (1 - x)^(b - 1) / B(a, b) for 0 <= x <= 1."""
    a, b = _as_float(a), _as_float(b)
    mean = a / (a + b)

    def log_prob(x: ArrayLike) -> jax.Array:
        x = _as_float(x)
        outside = (x < 0) | (x > 1)
        inside = jnp.where(outside, 0.5, x)
        log_density = _x_log_y(a - 1.0, inside) + _x_log1p_y(b - 1.0, -inside) - betaln(a, b)
        return jnp.where(outside, -jnp.inf, log_density)

    def sample(key: Key, shape: Shape = ()) -> jax.Array:
        # g / (g + h) of two gamma variates, from their logarithms: with small parameters both would vanish.
        key_g, key_h = jax.random.split(key)
        log_g, log_h = (jax.random.loggamma(k, c, shape, c.dtype) for k, c in ((key_g, a), (key_h, b)))
        return jax.nn.sigmoid(log_g - log_h)

    return Distribution(log_prob, sample, mean, mean * (1.0 - mean) / (a + b + 1.0))


def student_t(df: ArrayLike, loc: ArrayLike = 0.0, scale: ArrayLike = 1.0) -> Distribution:
    """p(x) ~ (1 + z^2 / df)^(-(df + 1) / 2) with z = (x - loc) / scale (Student, 1908).

    For df <= 1 there is no mean (NaN); the variance is infinite for 1 < df <= 2, and NaN where there is no mean.
    """
    df, loc, scale = _as_float(df), _as_float(loc), _as_float(scale)

    def log_prob(x: ArrayLike) -> jax.Array:
        z = (_as_float(x) - loc) / scale
        log_normalizer = betaln(0.5, 0.5 * df) + 0.5 * jnp.log(df) + jnp.log(scale)
        return -0.5 * (df + 1.0) * jnp.log1p(jnp.square(z) / df) - log_normalizer

    def sample(key: Key, shape: Shape = ()) -> jax.Array:
        # A normal divided by the root of (chi-square / df), which is a gamma variate.
        key_z, key_g = jax.random.split(key)
        mean_square = jax.random.gamma(key_g, 0.5 * df, shape, df.dtype) / (0.5 * df)
        return loc + scale * jax.random.normal(key_z, shape, df.dtype) / jnp.sqrt(mean_square)

    finite = jnp.square(scale) * df / (jnp.where(df > 2, df, 3.0) - 2.0)
    variance = jnp.where(df > 2, finite, jnp.where(df > 1, jnp.inf, jnp.nan))
    return Distribution(log_prob, sample, jnp.where(df > 1, loc, jnp.nan), variance)


def multivariate_normal(loc: jax.Array, covariance: jax.Array) -> Distribution:
    """p(x) = exp(-(x - loc)' S^-1 (x - loc) / 2) / sqrt(det(2 pi S)) for x and loc [D], covariance S [D, D].

    By S = L L' (Cholesky): a sample is loc + L z. `log_prob` takes one x [D], `sample` gives [*shape, D], and the
    variance is S. A singular S gives NaN.
    """
    cholesky = jnp.linalg.cholesky(covariance)

    def log_prob(x: ArrayLike) -> jax.Array:
        z = solve_triangular(cholesky, jnp.asarray(x) - loc, lower=True)
        return -0.5 * z @ z - jnp.sum(jnp.log(jnp.diag(cholesky))) - loc.shape[0] * HALF_LOG_2_PI

    def sample(key: Key, shape: Shape = ()) -> jax.Array:
        z = jax.random.normal(key, (*shape, loc.shape[0]), cholesky.dtype)
        return jnp.broadcast_to(loc, z.shape) + z @ cholesky.T

    return Distribution(log_prob, sample, loc, covariance)


def _x_log_y(x: jax.Array, y: jax.Array) -> jax.Array:
    """x log y, and 0 with a finite gradient where both are 0."""
    return x * jnp.log(jnp.where((x == 0) & (y == 0), 1.0, y))


def _x_log1p_y(x: jax.Array, y: jax.Array) -> jax.Array:
    """x log(1 + y), and 0 with a finite gradient where x is 0 and y is -1."""
    return x * jnp.log1p(jnp.where((x == 0) & (y == -1), 0.0, y))


def _is_whole(x: jax.Array) -> jax.Array:
    """Whether it is an integer; NaN passes, infinity does not."""
    return (jnp.floor(x) == x) & ~jnp.isinf(x) | jnp.isnan(x)


def _as_float(x: ArrayLike) -> jax.Array:
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.result_type(float))
