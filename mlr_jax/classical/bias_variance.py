"""Bias and variance: what of an estimator's error is there on average over training sets, and what comes from the set.

With f_D(x) the prediction of a model fitted to the training set D, and t what is observed at x,

    squared loss   E (f_D - t)^2 = (E f_D - E t)^2 + E (f_D - E f_D)^2 + E (t - E t)^2     bias^2 + variance + noise

(Geman, Bienenstock and Doursat, 1992). For the zero-one loss the parts do not simply add up: where the class named most
often is wrong, variance helps, and noise helps where a model is wrong (Domingos, 2000):

    P(f_D != t) = c1 noise + bias + c2 variance

Training sets are fresh samples where one can draw them, else bootstraps of the one that there is, which know only its
rows: their spread estimates the variance. All are fitted in one vmapped program.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.core.types import Estimator, Hypers, Key

Draw = Callable[[Key], tuple[jax.Array, jax.Array, jax.Array]]
"""key -> x [N, D], y [N] and weight [N] of a training set."""


class SquaredError(NamedTuple):
    """Of each row of a test set, [N]: error = squared_bias + variance + noise."""

    error: jax.Array
    squared_bias: jax.Array
    variance: jax.Array
    noise: jax.Array


class ZeroOneError(NamedTuple):
    """Of each row of a test set, [N]: error = net_noise + bias + net_variance.

    noise:        the chance that t is not the class it most often is, the optimal one
    bias:         1 where the class named most often, the main one, is not the optimal one
    variance:     the chance that a model names another class than the main one
    net_noise:    c1 noise, what noise adds: c1 < 0 where it makes wrong models right more often than right ones wrong
    net_variance: c2 variance, what variance adds: c2 = 1 without bias; with it, minus the chance that what is named
                  instead of the main class is the optimal one
    """

    error: jax.Array
    noise: jax.Array
    bias: jax.Array
    variance: jax.Array
    net_noise: jax.Array
    net_variance: jax.Array


def bootstrap(x: jax.typing.ArrayLike, y: jax.typing.ArrayLike) -> Draw:
    """Training sets of N rows drawn from x [N, D], y [N] with replacement (Efron, 1979), as weights: counts of rows."""
    x, y = jnp.asarray(x), jnp.asarray(y)
    rows = x.shape[0]

    def draw(key: Key) -> tuple[jax.Array, jax.Array, jax.Array]:
        drawn = jax.random.randint(key, (rows,), 0, rows)
        return x, y, jnp.zeros(rows, x.dtype).at[drawn].add(1)

    return draw


def predictions(
    estimator: Estimator,
    hypers: Hypers,
    draw: Draw,
    x: jax.typing.ArrayLike,
    keys: Key,
    *,
    at_once: int | None = None,
) -> jax.Array:
    """What models of B training sets, one for each of keys [B], predict for x [N, D]: [B, N, ...].

    A key draws the set and starts the fit. at_once: how many are fitted side by side, all unless given; the others
    follow. Raises ValueError for less than 1.
    """
    if at_once is not None and at_once < 1:
        raise ValueError(f"at_once: got {at_once}, allowed are 1 and above, or None for all")
    x = jnp.asarray(x)

    def predict(key: Key) -> jax.Array:
        of_draw, of_fit = jax.random.split(key)
        return estimator.predict(estimator.fit(of_fit, hypers, *draw(of_draw)), x)

    fit_all = jax.vmap(predict) if at_once is None else partial(lax.map, predict, batch_size=at_once)
    return fit_all(keys)


def squared_error(predicted: jax.Array, truth: jax.typing.ArrayLike, noise: jax.typing.ArrayLike = 0.0) -> SquaredError:
    """Parts of the squared error from predictions [B, N], the mean of t, [N], and its variance, [N] or [].

    Where the truth is one observation of t, give no noise: it is then part of the bias.
    """
    truth = jnp.asarray(truth, predicted.dtype)
    noise = jnp.broadcast_to(jnp.asarray(noise, predicted.dtype), truth.shape)
    main = jnp.mean(predicted, axis=0)
    error = jnp.mean((predicted - truth[None]) ** 2, axis=0) + noise
    return SquaredError(error, (main - truth) ** 2, jnp.mean((predicted - main[None]) ** 2, axis=0), noise)


def zero_one_error(predicted: jax.Array, truth: jax.typing.ArrayLike) -> ZeroOneError:
    """Parts of the error rate from scores [B, N, K], of which the greatest names the class, and the truth.

    truth: P(t = k), [N, K], or classes [N] without noise. Of equals the first class is the main or the optimal one.
    """
    num_classes = predicted.shape[-1]
    truth = jnp.asarray(truth)
    chance = jax.nn.one_hot(truth, num_classes, dtype=predicted.dtype) if truth.ndim == 1 else truth
    named = jnp.mean(jax.nn.one_hot(jnp.argmax(predicted, axis=-1), num_classes, dtype=predicted.dtype), axis=0)
    optimal, main = jnp.argmax(chance, axis=-1), jnp.argmax(named, axis=-1)
    noise, variance = 1 - _at(chance, optimal), 1 - _at(named, main)
    right = _at(named, optimal)
    agreement = jnp.sum(named * chance, axis=-1)
    # c1 = P(f = t*) - P(f != t*) P(f = t | f != t*, t != t*), times P(t != t*)
    net_noise = right * noise - (agreement - right * _at(chance, optimal))
    bias = main != optimal
    net_variance = jnp.where(bias, -right, variance)
    return ZeroOneError(1 - agreement, noise, bias.astype(named.dtype), variance, net_noise, net_variance)


def _at(shares: jax.Array, classes: jax.Array) -> jax.Array:
    """shares [N, K], classes [N] -> [N]."""
    return jnp.take_along_axis(shares, classes[:, None], axis=-1)[:, 0]
