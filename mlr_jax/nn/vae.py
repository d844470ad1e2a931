"""The two networks of an autoencoder: images to what their latent variables may be, and back."""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.nn.checks import check_widths
from mlr_jax.nn.convolution import Conv
from mlr_jax.nn.mlp import MLP
from mlr_jax.nn.transposed_convolution import ConvTranspose


class DenseEncoder(nn.Module):
    """x [B, ...] and a condition c [B, K] -> MLP -> [B, outputs]; K may be 0. Without hidden widths it is affine."""

    hidden: Sequence[int]
    outputs: int

    @nn.compact
    def __call__(self, x: jax.Array, c: jax.Array) -> jax.Array:
        """Outputs [B, outputs]."""
        x = x.reshape(x.shape[0], math.prod(x.shape[1:]))
        return MLP(self.hidden, self.outputs)(jnp.concatenate([x, c], axis=-1))


class AffineEncoder(nn.Module):
    """x [B, ...] -> [B, outputs]: a first half that is affine in x, and a second that is the same for all x."""

    outputs: int

    @nn.compact
    def __call__(self, x: jax.Array, c: jax.Array) -> jax.Array:
        """Outputs [B, outputs]; c [B, K] must have no columns."""
        half = self.outputs // 2
        mean = nn.Dense(half)(x.reshape(x.shape[0], math.prod(x.shape[1:])))
        log_std = self.param("log_std", nn.initializers.zeros_init(), (half,)).astype(mean.dtype)
        return jnp.concatenate([mean, jnp.broadcast_to(log_std, mean.shape)], axis=-1)


class DenseDecoder(nn.Module):
    """z [B, L] and a condition c [B, K] -> MLP -> [B, *shape]; K may be 0. Without hidden widths it is affine."""

    hidden: Sequence[int]
    shape: Sequence[int]

    @nn.compact
    def __call__(self, z: jax.Array, c: jax.Array) -> jax.Array:
        """Outputs [B, *shape]."""
        x = MLP(self.hidden, math.prod(self.shape))(jnp.concatenate([z, c], axis=-1))
        return x.reshape(x.shape[0], *self.shape)


class ConvEncoder(nn.Module):
    """x [B, H, W, C] -> [4x4 convolution of stride 2, relu] for each width -> joined with c -> Dense, relu, Dense.

    Returns [B, outputs]. Raises ValueError for no width, and for one that is not positive.
    """

    widths: Sequence[int]
    hidden: int
    outputs: int

    @nn.compact
    def __call__(self, x: jax.Array, c: jax.Array) -> jax.Array:
        """Outputs [B, outputs] of x and a condition c [B, K]; K may be 0."""
        check_widths("widths", self.widths, least=1)
        for width in self.widths:
            x = nn.relu(Conv(width, kernel=4, stride=2, use_bias=True)(x))
        x = x.reshape(x.shape[0], math.prod(x.shape[1:]))
        return MLP((self.hidden,), self.outputs)(jnp.concatenate([x, c], axis=-1))


class ConvDecoder(nn.Module):
    """The way back: z [B, L], c [B, K] -> Dense, relu twice -> [4x4 transposed convolution of stride 2] -> [B, *shape].

    `widths` are those of the encoder; relu follows all but the last. Images of a size that halving does not divide are
    made one pixel too large and cut. Raises ValueError for no width, and for one that is not positive.
    """

    widths: Sequence[int]
    hidden: int
    shape: Sequence[int]

    @nn.compact
    def __call__(self, z: jax.Array, c: jax.Array) -> jax.Array:
        """Outputs [B, *shape]."""
        check_widths("widths", self.widths, least=1)
        rows, columns, channels = self.shape
        height, width = (-(-length // 2 ** len(self.widths)) for length in (rows, columns))
        x = nn.relu(MLP((self.hidden,), height * width * self.widths[-1])(jnp.concatenate([z, c], axis=-1)))
        x = x.reshape(x.shape[0], height, width, self.widths[-1])
        for features in reversed(self.widths[:-1]):
            x = nn.relu(ConvTranspose(features, use_bias=True)(x))
        return ConvTranspose(channels, use_bias=True)(x)[:, :rows, :columns]
