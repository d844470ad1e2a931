"""How a generator does on a mixture of a few round Gaussians: which of them it makes, and how much lies between."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.ops.distances import pairwise


class ModeCoverage(NamedTuple):
    """All [].

    modes:        Gaussians that a good sample lies in
    high_quality: the share of good samples
    divergence:   KL, in nats, of how good samples spread over the modes from how the modes are weighed (all alike)
    """

    modes: jax.Array
    high_quality: jax.Array
    divergence: jax.Array


WITHIN = 3.0
"""Standard deviations from the centre within which a sample is good: of true samples in the plane, 98.9 %."""


def mode_coverage(x: jax.Array, means: jax.Array, std: jax.typing.ArrayLike, *, least: int = 1) -> ModeCoverage:
    """Samples x [N, D] beside the means [K, D] and the standard deviation [] of a mixture (Srivastava et al., 2017).

    A sample is good if it lies within three standard deviations of the nearest mean. least: how many good samples make
    a mode covered; the literature takes 1. A sample that is not a number is not good.
    """
    distances = pairwise(lambda a, b: jnp.sqrt(jnp.sum(jnp.square(a - b))), x, means)
    nearest = jnp.argmin(distances, axis=1)
    is_good = jnp.min(distances, axis=1) <= WITHIN * jnp.asarray(std)
    counts = jnp.sum(jax.nn.one_hot(nearest, means.shape[0]) * is_good[:, None], axis=0)
    shares = counts / jnp.maximum(jnp.sum(counts), 1.0)
    terms = jnp.where(shares > 0, shares * jnp.log(jnp.where(shares > 0, shares, 1.0) * means.shape[0]), 0.0)
    return ModeCoverage(jnp.sum(counts >= least).astype(x.dtype), jnp.mean(is_good.astype(x.dtype)), jnp.sum(terms))
