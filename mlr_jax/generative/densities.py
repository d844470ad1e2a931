"""What a network says of x, as a distribution: independent numbers, [B, ...], with the density of each row, [B]."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Key
from mlr_jax.ops.losses import binary_cross_entropy

HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)


class Normal(NamedTuple):
    """mean [B, ...], and the log of the standard deviation, of the same shape or []."""

    mean: jax.Array
    log_std: jax.Array

    def log_prob(self, x: jax.Array) -> jax.Array:
        """log p(x) of each row, x [B, ...] -> [B]."""
        z = (x - self.mean) * jnp.exp(-self.log_std)
        return _sum_of_row(-0.5 * jnp.square(z) - self.log_std - HALF_LOG_2_PI)

    def sample(self, key: Key) -> jax.Array:
        """mean + std * noise, [B, ...]: differentiable in both."""
        return self.mean + jnp.exp(self.log_std) * jax.random.normal(key, self.mean.shape)

    @property
    def expected(self) -> jax.Array:
        """The mean."""
        return self.mean


class Bernoulli(NamedTuple):
    """logits [B, ...] of ones. An x between 0 and 1 is a share of ones: its log_prob is the mean over such draws."""

    logits: jax.Array

    def log_prob(self, x: jax.Array) -> jax.Array:
        """log p(x) of each row, x [B, ...] -> [B]."""
        return _sum_of_row(-binary_cross_entropy(self.logits, x))

    def sample(self, key: Key) -> jax.Array:
        """Zeros and ones, [B, ...]."""
        return jax.random.bernoulli(key, self.expected).astype(jnp.float32)

    @property
    def expected(self) -> jax.Array:
        """The probabilities of ones."""
        return jax.nn.sigmoid(self.logits)


class Likelihood(NamedTuple):
    """From the outputs of a decoder, [B, ...], and parameters of its own to the distribution of x."""

    init: Callable[[], Mapping[str, jax.Array]]
    of: Callable[[jax.Array, Mapping[str, jax.Array]], Normal | Bernoulli]


bernoulli = Likelihood(dict, lambda outputs, params: Bernoulli(outputs))
"""Ones and zeros, of which the outputs are the logits."""

gaussian = Likelihood(
    lambda: {"log_std": jnp.zeros(())}, lambda outputs, params: Normal(outputs, params["log_std"].astype(jnp.float32))
)
"""Numbers around the outputs, with one deviation for all that is learned (Rybkin et al., 2021)."""


def log_standard_normal(z: jax.Array) -> jax.Array:
    """log N(z; 0, I) of each row, z [B, ...] -> [B]."""
    return _sum_of_row(-0.5 * jnp.square(z) - HALF_LOG_2_PI)


def kl_from_standard_normal(q: Normal) -> jax.Array:
    """KL(q || N(0, 1)) = (mean² + std² - 1) / 2 - log std of every number, in nats: [B, ...]."""
    return 0.5 * (jnp.square(q.mean) + jnp.expm1(2.0 * q.log_std)) - q.log_std


def _sum_of_row(values: jax.Array) -> jax.Array:
    return jnp.sum(values.reshape(values.shape[0], math.prod(values.shape[1:])), axis=1)
