"""Residual networks: for ImageNet (18 to 152 layers, version 1.5) and for 32x32 images (20 to 110 layers)."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.nn.checks import check_widths
from mlr_jax.nn.convolution import Conv
from mlr_jax.nn.norm import BatchNorm
from mlr_jax.ops.pooling import max_pool

Norm = Callable[..., nn.Module]
"""Makes a normalisation, called as `norm(x, train=..., mask=...)`: `nn/norm.py: BatchNorm` or `GroupNorm`."""

Kind = Literal["basic", "bottleneck"]
Stem = Literal["imagenet", "cifar"]
Shortcut = Literal["projection", "pad"]

EXPANSION = {"basic": 1, "bottleneck": 4}
"""Channels that leave a block, as a multiple of its width."""


class Block(nn.Module):
    """y = relu(F(x) + shortcut(x)), x [B, H, W, C] -> [B, H / stride, W / stride, width * expansion] (He et al., 2015).

    F is two 3x3 convolutions (basic) or 1x1, 3x3, 1x1 (bottleneck, whose 3x3 has the stride: "version 1.5"), each
    normalised. Where the shapes differ the shortcut is a strided 1x1 convolution, normalised ("option B"), or the
    strided image with zeros for the channels that are new ("pad", option A, without parameters).
    """

    width: int
    stride: int = 1
    kind: Kind = "basic"
    shortcut: Shortcut = "projection"
    norm: Norm = BatchNorm
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """One block; rows whose mask is 0 do not enter batch statistics."""
        outputs = self.width * EXPANSION[self.kind]

        def conv_norm(x: jax.Array, width: int, kernel: int, stride: int, name: str) -> jax.Array:
            x = Conv(width, kernel, stride, kernel // 2, kernel_init=INITIAL, dtype=self.dtype, name=f"{name}_conv")(x)
            return self.norm(name=f"{name}_norm")(x, train=train, mask=mask)

        if self.kind == "basic":
            y = nn.relu(conv_norm(x, self.width, 3, self.stride, "first"))
            y = conv_norm(y, outputs, 3, 1, "second")
        else:
            y = nn.relu(conv_norm(x, self.width, 1, 1, "first"))
            y = nn.relu(conv_norm(y, self.width, 3, self.stride, "second"))
            y = conv_norm(y, outputs, 1, 1, "third")
        if x.shape == y.shape:
            return nn.relu(y + x)
        if self.shortcut == "projection":
            return nn.relu(y + conv_norm(x, outputs, 1, self.stride, "shortcut"))
        strided = x[:, :: self.stride, :: self.stride]
        return nn.relu(y + jnp.pad(strided, ((0, 0), (0, 0), (0, 0), (0, outputs - x.shape[-1]))))


class ResNetMaps(nn.Module):
    """The feature maps after each stage of a residual network, finest first: the backbone of detectors.

    x [B, H, W, C] -> for each stage i a map [B, H / (s 2^i), W / (s 2^i), widths[i] * expansion], sizes rounded up. The
    stem for ImageNet is a 7x7 convolution and a 3x3 maximum, both of stride 2 (s = 4); that for CIFAR one 3x3
    convolution (s = 1). With remat the backward pass computes each block again instead of storing what is inside it.

    Raises ValueError where there is not one width for each stage, or one of them is not positive.
    """

    depths: Sequence[int]
    widths: Sequence[int] = (64, 128, 256, 512)
    kind: Kind = "basic"
    stem: Stem = "imagenet"
    shortcut: Shortcut = "projection"
    norm: Norm = BatchNorm
    dtype: Any = None
    remat: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False, mask: jax.Array | None = None) -> list[jax.Array]:
        """The maps, finest first; rows whose mask is 0 do not enter batch statistics."""
        check_widths("depths", self.depths)
        check_widths("widths", self.widths)
        if len(self.depths) != len(self.widths):
            raise ValueError(f"widths: got {len(self.widths)}, wanted one for each of the {len(self.depths)} stages")
        kernel, stride = (7, 2) if self.stem == "imagenet" else (3, 1)
        first = Conv(
            self.widths[0], kernel, stride, kernel // 2, kernel_init=INITIAL, dtype=self.dtype, name="stem_conv"
        )
        x = nn.relu(self.norm(name="stem_norm")(first(x), train=train, mask=mask))
        if self.stem == "imagenet":
            x = max_pool(x, 3, 2, 1)
        block = nn.remat(Block, static_argnums=(2,)) if self.remat else Block
        maps = []
        for stage, (depth, width) in enumerate(zip(self.depths, self.widths, strict=True)):
            for index in range(depth):
                stride = 2 if stage > 0 and index == 0 else 1
                choices = (width, stride, self.kind, self.shortcut, self.norm, self.dtype)
                x = block(*choices, name=f"stage{stage}_block{index}")(x, train, mask)
            maps.append(x)
        return maps


class ResNet(nn.Module):
    """The last map of `maps`, averaged over its pixels -> Dense: logits [B, outputs] of x [B, H, W, C]."""

    maps: ResNetMaps
    outputs: int

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """Logits [B, outputs]; rows whose mask is 0 do not enter batch statistics."""
        features = self.maps(x, train=train, mask=mask)[-1]
        return nn.Dense(self.outputs, name="head")(jnp.mean(features.astype(jnp.float32), axis=(1, 2)))


INITIAL = nn.initializers.variance_scaling(2.0, "fan_out", "truncated_normal")
"""Keeps the variance of gradients through relu (He et al., 2015)."""

DEPTHS: dict[int, tuple[Kind, tuple[int, ...]]] = {
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
}
"""By the number of layers: the kind of block, and how many of them each stage has (He et al., 2015, table 1)."""


def resnet_maps(layers: int, **options: Any) -> ResNetMaps:
    """The feature maps of a ResNet of 18, 34, 50, 101 or 152 layers. Raises ValueError for another number."""
    if layers not in DEPTHS:
        raise ValueError(f"layers: got {layers}, allowed are {', '.join(map(str, DEPTHS))}")
    kind, depths = DEPTHS[layers]
    return ResNetMaps(depths, kind=kind, **options)


def resnet(layers: int, outputs: int, **options: Any) -> ResNet:
    """ResNet-18, 34, 50, 101 or 152 with `outputs` classes; options are fields of `ResNetMaps`.

    With `stem="cifar"` the same blocks see 32x32 images without the fourfold reduction before them. Raises ValueError
    for another number of layers.
    """
    return ResNet(resnet_maps(layers, **options), outputs)


def cifar_resnet(layers: int, outputs: int, **options: Any) -> ResNet:
    """ResNet-20, 32, 44, 56 or 110, for 32x32 images: three stages of n blocks, 6 n + 2 layers (He et al., 2015, 4.2).

    Shortcuts have no parameters. Options are fields of `ResNetMaps`, such as `widths`. Raises ValueError for a number
    of layers that is not 6 n + 2.
    """
    if layers < 8 or (layers - 2) % 6:
        raise ValueError(f"layers: got {layers}, allowed are 6 n + 2 for n >= 1: 20, 32, 44, 56, 110, ...")
    options = {"widths": (16, 32, 64), "stem": "cifar", "shortcut": "pad", **options}
    return ResNet(ResNetMaps(((layers - 2) // 6,) * 3, **options), outputs)
