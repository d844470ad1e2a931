"""The one-stage detector without anchors: every location of a feature pyramid predicts the box that it lies in."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.nn.checks import check_widths
from mlr_jax.nn.convolution import Conv
from mlr_jax.nn.fpn import FPN
from mlr_jax.nn.norm import GroupNorm

STRIDES = (8, 16, 32)
"""Pixels of the image between neighbouring locations of each map of the pyramid."""

GROUPS = 8
"""Of channels, that are normalised together: statistics of single images do not care how many boxes a batch holds."""

PRIOR = 0.01
"""The chance of an object that every location starts with: the loss would drown in the background's else."""


class Predictions(NamedTuple):
    """What each of the L locations of all maps, finest map first, row by row, says.

    logits:     [B, L, K] of each class, one against the rest
    distances:  [B, L, 4] to the left, upper, right and lower edge of the box, in pixels, positive
    centreness: [B, L] logit of how near to the middle of its box the location is
    """

    logits: jax.Array
    distances: jax.Array
    centreness: jax.Array


class Detector(nn.Module):
    """FCOS (Tian et al., 2019): backbone -> feature pyramid -> one head that all maps share.

    backbone: called as `backbone(x, train=..., mask=...)`, returns maps, finest first; the last are of the `STRIDES`
    channels: of the pyramid and the head, a multiple of `GROUPS`
    depth: 3x3 convolutions in each of the head's two towers, one for the classes, one for the box

    Raises ValueError for other channels, a negative depth, and maps that do not fit the image.
    """

    backbone: nn.Module
    classes: int
    channels: int = 64
    depth: int = 2

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False, mask: jax.Array | None = None) -> Predictions:
        """Predictions for images x [B, H, W, C]; rows whose mask is 0 do not enter batch statistics."""
        check_widths("channels", (self.channels,))
        if self.channels % GROUPS or self.depth < 0:
            raise ValueError(
                f"channels and depth: got {self.channels} and {self.depth}, wanted multiples of {GROUPS}, at least 0"
            )
        maps: Sequence[jax.Array] = self.backbone(x, train=train, mask=mask)[-len(STRIDES) :]
        expected = [(-(-x.shape[1] // stride), -(-x.shape[2] // stride)) for stride in STRIDES]
        if [m.shape[1:3] for m in maps] != expected:
            raise ValueError(f"backbone: got maps of {[m.shape[1:3] for m in maps]}, wanted {expected}")
        head = Head(self.classes, self.channels, self.depth)
        levels = [head(p, i) for i, p in enumerate(FPN(self.channels)(maps))]
        rows = x.shape[0]
        logits, distances, centreness = (
            jnp.concatenate([part.reshape(rows, -1, part.shape[-1]) for part in parts], axis=1)
            for parts in zip(*levels, strict=True)
        )
        return Predictions(logits, distances, centreness[..., 0])


class Head(nn.Module):
    """[conv, group normalisation, relu] for each depth, twice -> class logits; distances and centreness.

    All levels share its weights but one: the scale of the distances, which are in strides of the level.
    """

    classes: int
    channels: int
    depth: int

    def setup(self) -> None:
        """The layers, once for all levels."""
        self.class_tower = [Conv(self.channels) for _ in range(self.depth)]
        self.class_norms = [GroupNorm(GROUPS) for _ in range(self.depth)]
        self.box_tower = [Conv(self.channels) for _ in range(self.depth)]
        self.box_norms = [GroupNorm(GROUPS) for _ in range(self.depth)]
        small = nn.initializers.normal(0.01)
        self.to_logits = Conv(self.classes, use_bias=False, kernel_init=small)
        self.prior = self.param("prior", nn.initializers.constant(math.log(PRIOR / (1 - PRIOR))), (self.classes,))
        self.to_box = Conv(5, use_bias=True, kernel_init=small)
        self.scales = self.param("scales", nn.initializers.ones_init(), (len(STRIDES),))

    def __call__(self, x: jax.Array, level: int) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Logits [B, H, W, K], distances [B, H, W, 4] and centreness [B, H, W, 1] of a map [B, H, W, C]."""
        of_class, of_box = x, x
        for conv, norm in zip(self.class_tower, self.class_norms, strict=True):
            of_class = nn.relu(norm(conv(of_class)))
        for conv, norm in zip(self.box_tower, self.box_norms, strict=True):
            of_box = nn.relu(norm(conv(of_box)))
        logits = self.to_logits(of_class) + jnp.expand_dims(self.prior, (0, 1, 2))
        raw = self.to_box(of_box)
        in_strides = jnp.exp(jnp.minimum(self.scales[level] * raw[..., :4], 5.0))  # e^5 strides: wider than any image
        return logits, in_strides * STRIDES[level], raw[..., 4:]
