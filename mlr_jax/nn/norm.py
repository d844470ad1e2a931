"""Normalisation of images: over the batch, right with padded rows, on many devices and in 16 bits, or over groups."""

import math
from functools import partial

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
        if not train:
            return _scaled(x, (running_mean.value, running_var.value), scale, bias, self.epsilon)
        y, mean, var, num_rows = _normalised(self.epsilon, x, scale, bias, _weights(x, mask))
        if not self.is_initializing():
            momentum = jnp.where(num_rows > 0, self.momentum, 1.0)  # padding alone has no moments
            for running, value in ((running_mean, mean), (running_var, var)):
                running.value = momentum * running.value + (1.0 - momentum) * value
        return y


class GroupNorm(nn.Module):
    """y = (x - E[x]) / sqrt(Var[x] + epsilon) * scale + bias, moments of one row's group of channels (Wu & He, 2018).

    x [B, ..., C]; rows do not see each other, so training, evaluation and padding are alike. Where C is not a multiple
    of `groups` there are as many groups as both have in common. Moments are float32; the result has the dtype of x.
    """

    groups: int = 32
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """Normalise x [B, ..., C]; `train` and `mask` are there to take the place of `BatchNorm`."""
        channels = x.shape[-1]
        scale = self.param("scale", nn.initializers.ones_init(), (channels,))
        bias = self.param("bias", nn.initializers.zeros_init(), (channels,))
        groups = math.gcd(channels, self.groups)

        def over_group(of_channel: jax.Array) -> jax.Array:
            """The mean of the channels of each group, [B, C] -> [B, C]: pixels first, for a loop along the memory."""
            means = jnp.mean(of_channel.reshape(-1, groups, channels // groups), axis=2)
            return jnp.repeat(means, channels // groups, axis=1)

        values = x.astype(jnp.float32).reshape(x.shape[0], -1, channels)
        deviations = values - over_group(jnp.mean(values, axis=1))[:, None]
        var = over_group(jnp.mean(jnp.square(deviations), axis=1))
        gain = scale.astype(jnp.float32)[None] * jax.lax.rsqrt(var + self.epsilon)
        y = deviations * gain[:, None] + bias.astype(jnp.float32)[None, None]
        return y.reshape(x.shape).astype(x.dtype)


def _weights(x: jax.Array, mask: jax.Array | None) -> jax.Array | None:
    return None if mask is None else mask.astype(jnp.float32).reshape(-1, *(1 for _ in x.shape[1:]))


def _scaled(
    x: jax.Array, moments: tuple[jax.Array, jax.Array], scale: jax.Array, bias: jax.Array, epsilon: float
) -> jax.Array:
    mean, var = moments
    gain = scale.astype(jnp.float32) * jax.lax.rsqrt(var + epsilon)
    shift = bias.astype(jnp.float32) - mean * gain
    axes = tuple(range(x.ndim - 1))
    return (x * jnp.expand_dims(gain, axes) + jnp.expand_dims(shift, axes)).astype(x.dtype)


def _moments(x: jax.Array, weights: jax.Array | None) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Mean and variance per channel, [C] each, over the real rows of all devices, and the number of these rows, []."""
    axes = tuple(range(x.ndim - 1))
    num_rows = data_sum(jnp.float32(x.shape[0]) if weights is None else jnp.sum(weights))
    count = jnp.maximum(num_rows * (x[0].size // x.shape[-1]), 1.0)
    weighted = (lambda x: x) if weights is None else (lambda x: x * weights)
    mean = data_sum(jnp.sum(weighted(x), axes)) / count
    deviations = weighted(x - jnp.expand_dims(mean, axes))
    return mean, data_sum(jnp.sum(jnp.square(deviations), axes)) / count, num_rows


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _normalised(epsilon: float, x: jax.Array, scale: jax.Array, bias: jax.Array, weights: jax.Array | None):
    """The result, the moments and the number of rows; differentiable in all but the weights of the rows."""
    mean, var, num_rows = _moments(x.astype(jnp.float32), weights)
    return _scaled(x, (mean, var), scale, bias, epsilon), mean, var, num_rows


def _forward(epsilon: float, x: jax.Array, scale: jax.Array, bias: jax.Array, weights: jax.Array | None):
    y, mean, var, num_rows = _normalised(epsilon, x, scale, bias, weights)
    return (y, mean, var, num_rows), (x, scale, bias, weights, mean, var, num_rows)


def _backward(epsilon: float, saved: tuple, cotangents: tuple):
    """Two sums over the rows, then one pass: what automatic differentiation spreads over many.

    With d = x - E[x], r = 1 / sqrt(Var[x] + epsilon) and n values in a channel, x moves y by g scale r, E[x] by w / n
    and Var[x] by 2 w d / n; y falls by scale r with E[x], and by d scale r^3 / 2 with Var[x].
    """
    x, scale, bias, weights, mean, var, num_rows = saved
    g, of_mean, of_var, _ = cotangents
    axes = tuple(range(x.ndim - 1))
    count = jnp.maximum(num_rows * (x[0].size // x.shape[-1]), 1.0)
    g32, deviation = g.astype(jnp.float32), x.astype(jnp.float32) - jnp.expand_dims(mean, axes)
    r, scale32 = jax.lax.rsqrt(var + epsilon), scale.astype(jnp.float32)
    sum_g, sum_gd = jnp.sum(g32, axes), jnp.sum(g32 * deviation, axes)
    of_mean = of_mean - scale32 * r * sum_g
    of_var = of_var - 0.5 * scale32 * r**3 * sum_gd
    per_value, per_deviation = (data_sum(of) / count for of in (of_mean, 2.0 * of_var))
    moved = jnp.expand_dims(per_value, axes) + deviation * jnp.expand_dims(per_deviation, axes)
    of_x = g32 * jnp.expand_dims(scale32 * r, axes) + (moved if weights is None else moved * weights)
    of_weights = None if weights is None else jnp.zeros_like(weights)
    return of_x.astype(x.dtype), (sum_gd * r).astype(scale.dtype), sum_g.astype(bias.dtype), of_weights


_normalised.defvjp(_forward, _backward)
