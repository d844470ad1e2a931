"""Distributions of actions: arrays of parameters, [..., K] or [..., A], with what an agent asks of them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Key

LOG_2PI = 1.8378770664093453


class Categorical(NamedTuple):
    """One of K actions with probabilities softmax(logits): logits [..., K], actions [...] int32."""

    logits: jax.Array

    @staticmethod
    def noise(key: Key, shape: tuple[int, ...]) -> jax.Array:
        """What a sample needs of chance: Gumbel numbers -log(-log u), u uniform, of the logits' shape."""
        return jax.random.gumbel(key, shape)

    def sample_by(self, noise: jax.Array) -> jax.Array:
        """argmax of logits + noise: the Gumbel trick."""
        return jnp.argmax(self.logits + noise, axis=-1).astype(jnp.int32)

    def sample(self, key: Key) -> jax.Array:
        """An action."""
        return self.sample_by(self.noise(key, self.logits.shape))

    def mode(self) -> jax.Array:
        """The likeliest action."""
        return jnp.argmax(self.logits, axis=-1).astype(jnp.int32)

    def log_prob(self, action: jax.Array) -> jax.Array:
        """log pi(action), [...]: the logit less the log of the sum of all exponentials."""
        # A comparison, not a gather: its gradient is a product, not a scatter, and K is small.
        chosen = jnp.sum(jnp.where(self._is(action), self.logits, 0.0), axis=-1)
        return chosen - jax.nn.logsumexp(self.logits, axis=-1)

    def entropy(self) -> jax.Array:
        """-sum_k p_k log p_k, [...]."""
        log_probs = jax.nn.log_softmax(self.logits)
        return -jnp.sum(jnp.exp(log_probs) * log_probs, axis=-1)

    def _is(self, action: jax.Array) -> jax.Array:
        numbers = jnp.arange(self.logits.shape[-1]).reshape((1,) * action.ndim + (-1,))
        return action[..., None] == numbers


class Normal(NamedTuple):
    """Independent normal coordinates: mean and log_std [..., A], actions [..., A]."""

    mean: jax.Array
    log_std: jax.Array

    @staticmethod
    def noise(key: Key, shape: tuple[int, ...]) -> jax.Array:
        """What a sample needs of chance: standard normal numbers of the mean's shape."""
        return jax.random.normal(key, shape)

    def sample_by(self, noise: jax.Array) -> jax.Array:
        """mean + std * noise."""
        return self.mean + jnp.exp(self.log_std) * noise

    def sample(self, key: Key) -> jax.Array:
        """An action."""
        return self.sample_by(self.noise(key, self.mean.shape))

    def mode(self) -> jax.Array:
        """The mean."""
        return self.mean

    def log_prob(self, action: jax.Array) -> jax.Array:
        """The log of the density, summed over coordinates, [...]."""
        z = (action - self.mean) * jnp.exp(-self.log_std)
        return -jnp.sum(0.5 * jnp.square(z) + self.log_std + 0.5 * LOG_2PI, axis=-1)

    def entropy(self) -> jax.Array:
        """sum of log std + log(2 pi e) / 2, [...]."""
        return jnp.sum(self.log_std + 0.5 * (LOG_2PI + 1.0), axis=-1)


class TanhNormal(NamedTuple):
    """tanh of a normal variable u, in (-1, 1): mean and log_std of u [..., A].

    By the change of variables log pi(a) = log N(u) - sum log(1 - a^2), with
    log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2 u)), which does not lose its digits at the ends.
    """

    mean: jax.Array
    log_std: jax.Array

    def sample_and_log_prob(self, key: Key) -> tuple[jax.Array, jax.Array]:
        """An action and its log-density, without going back through the inverse of tanh."""
        u = Normal(*self).sample(key)
        return jnp.tanh(u), Normal(*self).log_prob(u) - _log_slope(u)

    def sample(self, key: Key) -> jax.Array:
        """An action."""
        return self.sample_and_log_prob(key)[0]

    def mode(self) -> jax.Array:
        """tanh of the mean: the middle of the distribution."""
        return jnp.tanh(self.mean)

    def log_prob(self, action: jax.Array) -> jax.Array:
        """The log of the density, [...]; an action at an end is moved inside by a rounding error."""
        end = 1.0 - jnp.finfo(action.dtype).eps
        u = jnp.arctanh(jnp.clip(action, -end, end))
        return Normal(*self).log_prob(u) - _log_slope(u)


def _log_slope(u: jax.Array) -> jax.Array:
    """sum log (d tanh(u) / du)."""
    return jnp.sum(2.0 * (jnp.log(2.0) - u - jax.nn.softplus(-2.0 * u)), axis=-1)
