"""Batch normalisation that is right with padded rows, on many devices, and in 16 bits."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.core.collectives import data_sum


class BatchNorm(nn.Module):
    """y = (x - E[x]) / sqrt(Var[x] + epsilon) * scale + bias, per channel (Ioffe & Szegedy, 2015).

    x [B, ..., C], mask [B] or None. In training the moments are those of the real rows of the whole batch, wherever its
    rows are; they move the running moments, a <- momentum a + (1 - momentum) batch moment, which are used otherwise.
    Moments are float32; the result has the dtype of x. Put no bias before it: it would have no effect.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """Normalise x [B, ..., C]; returns the same shape and dtype."""
        channels = x.shape[-1:]
        scale = self.param("scale", nn.initializers.ones_init(), channels)
        bias = self.param("bias", nn.initializers.zeros_init(), channels)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, channels)
        running_var = self.variable("batch_stats", "var", jnp.ones, channels)
        if train:
            mean, var, num_rows = _moments(x.astype(jnp.float32), mask)
            if not self.is_initializing():
                momentum = jnp.where(num_rows > 0, self.momentum, 1.0)  # padding alone has no moments
                for running, value in ((running_mean, mean), (running_var, var)):
                    running.value = momentum * running.value + (1.0 - momentum) * value
        else:
            mean, var = running_mean.value, running_var.value
        gain = scale.astype(jnp.float32) * jax.lax.rsqrt(var + self.epsilon)
        shift = bias.astype(jnp.float32) - mean * gain
        axes = tuple(range(x.ndim - 1))
        return (x * jnp.expand_dims(gain, axes) + jnp.expand_dims(shift, axes)).astype(x.dtype)


def _moments(x: jax.Array, mask: jax.Array | None) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Mean and variance per channel, [C] each, over the real rows of all devices, and the number of these rows, []."""
    axes = tuple(range(x.ndim - 1))
    weights = jnp.ones(x.shape[:1]) if mask is None else mask.astype(jnp.float32)
    weights = weights.reshape(-1, *(1 for _ in x.shape[1:]))
    values_per_row = x[0].size // x.shape[-1]
    num_rows = data_sum(jnp.sum(weights))
    count = jnp.maximum(num_rows * values_per_row, 1.0)
    mean = data_sum(jnp.sum(x * weights, axes)) / count
    deviations = (x - jnp.expand_dims(mean, axes)) * weights
    return mean, data_sum(jnp.sum(jnp.square(deviations), axes)) / count, num_rows
