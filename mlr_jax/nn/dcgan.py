"""The networks of an adversarial pair for images: convolutions in place of pooling (DCGAN: Radford et al., 2016)."""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.nn.checks import check_widths
from mlr_jax.nn.convolution import Conv
from mlr_jax.nn.norm import BatchNorm
from mlr_jax.nn.spectral_norm import SpectralConv, SpectralDense
from mlr_jax.nn.transposed_convolution import ConvTranspose

SLOPE = 0.2
"""Of the critic's leaky relu below zero."""


class DCGANGenerator(nn.Module):
    """z [B, L], class y [B] or None -> Dense -> [batch norm, relu, 4x4 transposed convolution of stride 2] -> images.

    `widths` are those of the maps on the way, the smallest maps first; a tanh brings pixels into [0, 1]. The class is
    told beside z. Images [B, *shape] of a size that halving does not divide are made one pixel too large and cut.
    Raises ValueError for no width, and for one that is not positive.
    """

    widths: Sequence[int]
    shape: Sequence[int]
    classes: int = 0

    @nn.compact
    def __call__(
        self, z: jax.Array, y: jax.Array | None = None, *, train: bool = False, mask: jax.Array | None = None
    ) -> jax.Array:
        """Images [B, *shape] in [0, 1]; rows whose mask is 0 do not enter the batch statistics."""
        check_widths("widths", self.widths, least=1)
        rows, columns, channels = self.shape
        height, width = (-(-length // 2 ** len(self.widths)) for length in (rows, columns))
        if self.classes:
            z = jnp.concatenate([z, jax.nn.one_hot(y, self.classes, dtype=z.dtype)], axis=-1)
        x = nn.Dense(height * width * self.widths[0], use_bias=False)(z)
        x = x.reshape(x.shape[0], height, width, self.widths[0])
        x = nn.relu(BatchNorm()(x, train=train, mask=mask))
        for features in self.widths[1:]:
            x = nn.relu(BatchNorm()(ConvTranspose(features)(x), train=train, mask=mask))
        x = ConvTranspose(channels, use_bias=True)(x)[:, :rows, :columns]
        return 0.5 * (jnp.tanh(x) + 1.0)


class DCGANCritic(nn.Module):
    """x [B, H, W, C] in [0, 1] -> [4x4 convolution of stride 2, leaky relu] for each width -> Dense -> scores [B].

    spectral: every kernel has spectral norm one. batch_norm: between all convolutions but the first; rows then meet,
    and a gradient penalty has no meaning. With classes, y [B] is judged too: the score gains the inner product of the
    last maps with a vector of the class (projection: Miyato & Koyama, 2018). Raises ValueError for no width, and
    for one that is not positive.
    """

    widths: Sequence[int]
    classes: int = 0
    spectral: bool = False
    batch_norm: bool = False

    @nn.compact
    def __call__(
        self, x: jax.Array, y: jax.Array | None = None, *, train: bool = False, mask: jax.Array | None = None
    ) -> jax.Array:
        """Scores [B], the higher the more real."""
        check_widths("widths", self.widths, least=1)
        x = 2.0 * x - 1.0
        for index, width in enumerate(self.widths):
            if self.spectral:
                x = SpectralConv(width, kernel=4, stride=2)(x, train=train)
            else:
                x = Conv(width, kernel=4, stride=2, use_bias=not (self.batch_norm and index))(x)
            if self.batch_norm and index:
                x = BatchNorm()(x, train=train, mask=mask)
            x = nn.leaky_relu(x, SLOPE)
        return projected(x.reshape(x.shape[0], -1), y, classes=self.classes, spectral=self.spectral, train=train)


class DenseGenerator(nn.Module):
    """z [B, L], class y [B] or None -> [Dense, relu] for each width -> Dense -> x [B, *shape]."""

    hidden: Sequence[int]
    shape: Sequence[int]
    classes: int = 0

    @nn.compact
    def __call__(
        self, z: jax.Array, y: jax.Array | None = None, *, train: bool = False, mask: jax.Array | None = None
    ) -> jax.Array:
        """Examples [B, *shape]; rows do not meet, so neither `train` nor `mask` changes anything."""
        check_widths("hidden", self.hidden)
        if self.classes:
            z = jnp.concatenate([z, jax.nn.one_hot(y, self.classes, dtype=z.dtype)], axis=-1)
        for width in self.hidden:
            z = nn.relu(nn.Dense(width)(z))
        return nn.Dense(math.prod(self.shape))(z).reshape(z.shape[0], *self.shape)


class DenseCritic(nn.Module):
    """x [B, ...] -> [Dense, leaky relu] for each width -> Dense -> scores [B]; spectral, classes as `DCGANCritic`."""

    hidden: Sequence[int]
    classes: int = 0
    spectral: bool = False

    @nn.compact
    def __call__(
        self, x: jax.Array, y: jax.Array | None = None, *, train: bool = False, mask: jax.Array | None = None
    ) -> jax.Array:
        """Scores [B], the higher the more real; rows do not meet."""
        check_widths("hidden", self.hidden)
        x = x.reshape(x.shape[0], -1)
        for width in self.hidden:
            x = SpectralDense(width)(x, train=train) if self.spectral else nn.Dense(width)(x)
            x = nn.leaky_relu(x, SLOPE)
        return projected(x, y, classes=self.classes, spectral=self.spectral, train=train)


def projected(h: jax.Array, y: jax.Array | None, *, classes: int, spectral: bool, train: bool) -> jax.Array:
    """w . h + b, and with classes e_y . h too: h [B, D] -> scores [B]. To be called within a compact module."""

    def dense(x: jax.Array, outputs: int, name: str, use_bias: bool) -> jax.Array:
        if spectral:
            return SpectralDense(outputs, use_bias, name=name)(x, train=train)
        return nn.Dense(outputs, use_bias, name=name)(x)

    score = dense(h, 1, "score", use_bias=True)[:, 0]
    if not classes:
        return score
    vectors = dense(jax.nn.one_hot(y, classes, dtype=h.dtype), h.shape[-1], "classes", use_bias=False)
    return score + jnp.sum(vectors * h, axis=-1)
