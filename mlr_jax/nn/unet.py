"""A small U-Net that is told a time and a class: what tells image from noise."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.nn.attention import MultiHeadAttention
from mlr_jax.nn.checks import check_rate, check_widths
from mlr_jax.nn.convolution import Conv
from mlr_jax.nn.norm import GroupNorm
from mlr_jax.nn.transformer import sinusoids
from mlr_jax.ops.flat_product import flat_dot_general
from mlr_jax.ops.patches import from_patches, to_patches

ZEROS = nn.initializers.zeros_init()
LECUN = nn.initializers.lecun_normal()
UNIT = nn.initializers.normal(1.0)
"""Of classes, which then count as much as the time from the start."""

GROUPS = 8
"""Of channels, each of which is normalised as one."""

TIME_WIDTH = 128
"""Sines and cosines of the time."""

STEPS_OF_TIME = 1000.0
"""Times in [0, 1] are told apart as finely as so many steps."""


class UNet(nn.Module):
    """Down, across and up again: every level halves the image, and hands its maps over to the way up.

    x [B, H, W, C], time [B] in [0, 1], y [B] int, of which `classes` is the null class "any" -> [B, H, W, C], 0 at the
    start. Each level has `depth` residual blocks of its width on the way down and as many on the way up, which see what
    stood there on the way down (Ronneberger et al., 2015). Between them, where the image is smallest, are one block
    more and attention among all pixels (Ho et al., 2020). Time and class move and scale the maps of every block
    (Dhariwal & Nichol, 2021).

    patch: pixels of a patch's side, which is one pixel of the first level: work falls with its square
    classes: 0 has no class, and y is None

    Halving and doubling are products with patches of 2x2 pixels, so each convolution has stride 1.
    Raises ValueError for images that do not halve so often, and for settings that make no network.
    """

    widths: Sequence[int] = (64, 128)
    depth: int = 1
    heads: int = 4
    patch: int = 1
    classes: int = 0
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array, time: jax.Array, y: jax.Array | None = None, *, train: bool = False) -> jax.Array:
        """What is predicted for each pixel of x [B, H, W, C]."""
        self._check(x, y)
        told = _Told(4 * self.widths[0], self.classes, name="told")(time, y)

        def block(x: jax.Array, name: str) -> jax.Array:
            return Block(self.dropout, name=f"block_{name}")(x, told, train)

        h = Conv(self.widths[0], use_bias=True, kernel_init=LECUN, name="first")(to_patches(x, self.patch))
        passed = []
        for level, width in enumerate(self.widths):
            if level:
                h = _dense(width, f"down{level}")(to_patches(h, 2))
            for index in range(self.depth):
                h = block(h, f"down{level}_{index}")
                passed.append(h)
        h = Attention(self.heads, name="attention")(block(h, "across"))
        for level, width in reversed(list(enumerate(self.widths))):
            for index in range(self.depth):
                h = _dense(width, f"join{level}_{index}")(jnp.concatenate([h, passed.pop()], axis=-1))
                h = block(h, f"up{level}_{index}")
            if level:
                h = from_patches(_dense(4 * self.widths[level - 1], f"up{level}")(h), 2)
        h = nn.silu(GroupNorm(GROUPS, name="last_norm")(h))
        h = Conv(x.shape[-1] * self.patch**2, use_bias=True, kernel_init=ZEROS, name="last")(h)
        return from_patches(h, self.patch)

    def _check(self, x: jax.Array, y: jax.Array | None) -> None:
        check_widths("widths", self.widths, least=1)
        check_widths("depth", (self.depth,))
        check_rate("dropout", self.dropout)
        tile = self.patch * 2 ** (len(self.widths) - 1)
        if x.ndim != 4 or x.shape[1] % tile or x.shape[2] % tile:
            raise ValueError(f"x: got shape {x.shape}, wanted [B, H, W, C] with sides that are multiples of {tile}")
        if (y is None) != (self.classes == 0):
            raise ValueError(f"y: got {'none' if y is None else 'some'}, but the network is told of {self.classes}")


class Block(nn.Module):
    """x + F(x), F two 3x3 convolutions behind norm and SiLU; the second norm is moved and scaled by what is told.

    x [B, H, W, C], told [B, D] -> [B, H, W, C]. The last convolution starts at 0, and so the block as the identity.
    """

    dropout: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array, told: jax.Array, train: bool = False) -> jax.Array:
        """One block."""
        width = x.shape[-1]
        h = nn.silu(GroupNorm(GROUPS, name="first_norm")(x))
        h = Conv(width, use_bias=True, kernel_init=LECUN, name="first")(h)
        moved = nn.Dense(2 * width, name="told")(told).astype(x.dtype)
        scale, shift = jnp.split(jnp.expand_dims(moved, (1, 2)), 2, axis=-1)
        h = nn.silu(GroupNorm(GROUPS, name="second_norm")(h) * (1 + scale) + shift)
        h = nn.Dropout(self.dropout, deterministic=not train)(h)
        return x + Conv(width, use_bias=True, kernel_init=ZEROS, name="second")(h)


class Attention(nn.Module):
    """x + attention(norm(x)): every pixel of x [B, H, W, C] sees all of them."""

    heads: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """One layer."""
        tokens = GroupNorm(GROUPS, name="norm")(x).reshape(x.shape[0], -1, x.shape[-1])
        return x + MultiHeadAttention(self.heads, out_init=ZEROS, name="heads")(tokens).reshape(x.shape)


class _Told(nn.Module):
    """Time [B] and class [B] as numbers [B, width] that every block reads."""

    width: int
    classes: int

    @nn.compact
    def __call__(self, time: jax.Array, y: jax.Array | None) -> jax.Array:
        told = nn.Dense(self.width, name="time")(sinusoids(time * STEPS_OF_TIME, TIME_WIDTH))
        if y is not None:
            told = told + nn.Embed(self.classes + 1, self.width, embedding_init=UNIT, name="class")(y)
        return nn.silu(nn.Dense(self.width, name="both")(nn.silu(told)))


def _dense(width: int, name: str) -> nn.Dense:
    return nn.Dense(width, kernel_init=LECUN, dot_general=flat_dot_general, name=name)
