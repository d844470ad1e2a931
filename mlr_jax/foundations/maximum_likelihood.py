"""Maximum likelihood (Fisher, 1922): the parameters under which the data at hand was most probable.

    theta = argmax sum_n log p(x_n | theta)

In closed form where the equation "gradient = 0" can be solved, by Newton's method where it cannot. The functions are
named for the distributions of `distributions.py` and return their parameters.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import digamma, polygamma


class Estimate(NamedTuple):
    """The maximum: parameters [P], their standard errors [P], log-likelihood [], and how Newton's method ended."""

    parameters: jax.Array
    standard_errors: jax.Array
    log_likelihood: jax.Array
    iterations: jax.Array
    converged: jax.Array


def bernoulli(x: jax.Array) -> jax.Array:
    """The probability: the share of ones among x [N]."""
    return jnp.mean(x, dtype=jnp.result_type(float))


def categorical(x: jax.Array, num_outcomes: int) -> jax.Array:
    """The probabilities [K]: the share of each outcome among x [N] int in [0, K)."""
    return jnp.bincount(x, length=num_outcomes) / x.shape[0]


def poisson(x: jax.Array) -> jax.Array:
    """The rate: the mean of the counts x [N]."""
    return jnp.mean(x, dtype=jnp.result_type(float))


def exponential(x: jax.Array) -> jax.Array:
    """The rate: one over the mean of x [N]."""
    return 1.0 / jnp.mean(x)


def uniform(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """low and high: the least and the greatest of x [N], always narrower than the truth."""
    return jnp.min(x), jnp.max(x)


def normal(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """loc and scale: mean and root mean squared deviation of x [N], whose square is too small by (N - 1) / N."""
    return jnp.mean(x), jnp.std(x)


def multivariate_normal(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """loc [D] and covariance [D, D] (divided by N) of the rows of x [N, D]; singular for N <= D."""
    gaps = x - jnp.mean(x, axis=0)[None]
    return jnp.mean(x, axis=0), gaps.T @ gaps / x.shape[0]


def gamma(x: jax.Array, *, num_iterations: int = 10) -> tuple[jax.Array, jax.Array]:
    """Concentration a and rate a / mean of positive x [N], where log a - psi(a) = log mean(x) - mean(log x) =: s.

    Newton's method on 1 / a (Minka, 2002, "Estimating a Gamma distribution"): about four steps are exact.
    There is no maximum, and the answer is NaN, where all x are equal.
    """
    mean = jnp.mean(x)
    s = -jnp.mean(jnp.log(x / mean))  # the logarithm of the ratio: two logarithms apart would cancel

    def newton_step(_: Any, a: jax.Array) -> jax.Array:
        return 1.0 / (1.0 / a + (jnp.log(a) - digamma(a) - s) / (a - jnp.square(a) * polygamma(1, a)))

    start = (3.0 - s + jnp.sqrt(jnp.square(s - 3.0) + 24.0 * s)) / (12.0 * s)
    a = lax.fori_loop(0, num_iterations, newton_step, start)
    return a, a / mean


def newton(
    log_likelihood: Callable[[jax.Array], jax.Array],
    start: jax.Array,
    *,
    tolerance: jax.typing.ArrayLike = 1e-6,
    max_iterations: int = 100,
) -> Estimate:
    """The maximum of any smooth log-likelihood of parameters [P], from a start not too far away.

    theta <- theta + t d with d = -H^-1 g, of gradient g and Hessian H; t = 1, halved while the likelihood would fall
    (or be NaN). Where -H is not positive definite, d goes along g instead. Ends when one more step would raise the
    log-likelihood by less than `tolerance` nats in the quadratic model, g' d / 2. The inverse of -H at the maximum is
    the covariance of the estimate (Fisher's observed information); the roots of its diagonal are the standard errors,
    NaN where there is no maximum. Keep a positive parameter positive by taking its logarithm.
    """
    slope, curvature = jax.grad(log_likelihood), jax.hessian(log_likelihood)

    def unfinished(carry: tuple[Any, ...]) -> jax.Array:
        _, promised, iterations = carry
        return ~(promised <= tolerance) & (iterations < max_iterations)

    def iterate(carry: tuple[Any, ...]) -> tuple[Any, ...]:
        theta, _, iterations = carry
        gradient, hessian = slope(theta), curvature(theta)
        cholesky = jnp.linalg.cholesky(-hessian)
        step = jax.scipy.linalg.cho_solve((cholesky, True), gradient)
        is_concave = jnp.all(jnp.isfinite(step))
        direction = jnp.where(is_concave, step, gradient / jnp.linalg.norm(hessian))
        length = _step_length(log_likelihood, theta, direction)
        promised = jnp.where(is_concave, 0.5 * gradient @ direction, jnp.inf)
        return theta + length * direction, promised, iterations + 1

    start = jnp.asarray(start, jnp.result_type(start, float))
    first = (start, jnp.full((), jnp.inf, start.dtype), jnp.int32(0))
    theta, promised, iterations = lax.while_loop(unfinished, iterate, first)
    errors = jnp.sqrt(jnp.diag(jnp.linalg.inv(-curvature(theta))))
    return Estimate(theta, errors, log_likelihood(theta), iterations, promised <= tolerance)


def _step_length(function: Callable[[jax.Array], jax.Array], theta: jax.Array, direction: jax.Array) -> jax.Array:
    """The first of 1, 1/2, 1/4, ... at which the function does not fall by more than rounding."""
    value = function(theta)
    lowest = value - 4.0 * jnp.finfo(theta.dtype).eps * jnp.abs(value)

    def falls(length: jax.Array) -> jax.Array:
        return ~(function(theta + length * direction) >= lowest) & (length > 1e-6)

    return lax.while_loop(falls, lambda length: 0.5 * length, jnp.ones((), theta.dtype))
