"""How likely a model with latent variables holds data to be: bounds and estimates of log p(x).

p(x) = ∫ p(z) p(x | z) dz is the mean of w = p(z) p(x | z) / q(z | x) over z from any q that is nowhere too small, so a
mean of samples of w is an unbiased estimate of p(x). The log of it is below log p(x) on average, by less the more
samples there are and the nearer q is to the posterior. Where q is not to be trusted see `annealing.py`.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import logsumexp

from mlr_jax.core.types import Key, Variables
from mlr_jax.generative.densities import log_standard_normal
from mlr_jax.generative.latent_model import LatentModel, decode, posterior


class Estimate(NamedTuple):
    """log p(x) [B], and the standard error of it [B] from how far the samples' weights differ."""

    value: jax.Array
    error: jax.Array


def log_weights(
    model: LatentModel,
    params: Variables,
    x: jax.Array,
    y: jax.Array | None,
    key: Key,
    *,
    samples: int,
    at_once: int | None = None,
) -> jax.Array:
    """log w = log p(z) + log p(x | z) - log q(z | x) of z drawn from q: x [B, *shape] -> [samples, B].

    `at_once` is how many samples are computed side by side, all where it is None: it bounds the memory.
    """
    q = posterior(model, params, x, y)

    def of_sample(key: Key) -> jax.Array:
        z = q.sample(key)
        return log_standard_normal(z) + decode(model, params, z, y).log_prob(x) - q.log_prob(z)

    return lax.map(of_sample, jax.random.split(key, samples), batch_size=at_once or samples)


def elbo(log_weights_SxB: jax.Array) -> jax.Array:
    """The mean of log w: [S, B] -> [B], a bound on log p(x) from below."""
    return jnp.mean(log_weights_SxB, axis=0)


def iwae_bound(log_weights_SxB: jax.Array, k: int) -> jax.Array:
    """The mean, over groups of k samples, of the log of their mean weight: [S, B] -> [B].

    From below it rises to log p(x) with k. Raises ValueError where k does not divide S.
    """
    samples, rows = log_weights_SxB.shape
    if k < 1 or samples % k:
        raise ValueError(f"k: got {k}, must divide the {samples} samples")
    return jnp.mean(logsumexp(log_weights_SxB.reshape(samples // k, k, rows), axis=1), axis=0) - math.log(k)


def estimate(log_weights_SxB: jax.Array) -> Estimate:
    """The log of the mean weight of S samples, whose error is (std w / mean w) / sqrt(S)."""
    samples = log_weights_SxB.shape[0]
    value = logsumexp(log_weights_SxB, axis=0) - math.log(samples)
    spread = jnp.std(jnp.exp(log_weights_SxB - value[None]), axis=0, ddof=1)
    return Estimate(value, spread / math.sqrt(samples))


def bits_per_dimension(log_prob: jax.Array, dimensions: int, levels: int = 1) -> jax.Array:
    """-log p(x) / (D log 2), the bits to store each of D numbers, of log p in nats.

    Of a density of images in [0, 1] that were made of `levels` whole numbers and a uniform noise (`data/pixels.py:
    dequantise`), log2(levels) is added: the density is then a bound on the probability of the whole numbers (Theis et
    al., 2016).
    """
    return -log_prob / (dimensions * math.log(2.0)) + math.log2(levels)
