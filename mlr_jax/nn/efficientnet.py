"""EfficientNet-Lite0: a small network for photographs, in the form for phones."""

import math
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.nn.checks import check_rate
from mlr_jax.nn.convolution import Conv
from mlr_jax.nn.norm import BatchNorm


class Stage(NamedTuple):
    """`depth` blocks of the same kind, of which the first has the stride."""

    depth: int
    kernel: int
    stride: int
    expansion: int
    width: int


STAGES = (
    Stage(1, 3, 1, 1, 16), Stage(2, 3, 2, 6, 24), Stage(2, 5, 2, 6, 40), Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112), Stage(4, 5, 2, 6, 192), Stage(1, 3, 1, 6, 320),
)  # fmt: skip
"""Tan & Le (2019), table 1."""

STEM, HEAD = 32, 1280
"""Channels before the first and after the last stage."""


def relu6(x: jax.Array) -> jax.Array:
    """min(max(x, 0), 6): a range that 8 bits can hold."""
    return jnp.clip(x, 0, 6)


class ConvNorm(nn.Module):
    """A convolution and its batch normalisation; the start keeps the variance of gradients."""

    width: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, train: bool, mask: jax.Array | None) -> jax.Array:
        """x [B, H, W, C] -> [B, H / stride, W / stride, width]."""
        init = nn.initializers.normal(math.sqrt(2 * self.groups / (self.width * self.kernel**2)))
        conv = Conv(
            self.width, self.kernel, self.stride, groups=self.groups, kernel_init=init, dtype=self.dtype, name="conv"
        )
        return BatchNorm(momentum=0.99, epsilon=1e-3, name="norm")(conv(x), train=train, mask=mask)


class InvertedBottleneck(nn.Module):
    """1x1 to many channels, a depthwise convolution, 1x1 to few; plus x where the shapes agree (Sandler et al., 2018).

    x [B, H, W, C] -> [B, H / stride, W / stride, width], sizes rounded up; expansion C channels in between. In training
    the sum leaves the block out for a part `drop_path` of the rows, and counts it more for the others.
    """

    width: int
    kernel: int = 3
    stride: int = 1
    expansion: int = 6
    drop_path: float = 0.0
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """One block; rows whose mask is 0 do not enter batch statistics."""
        inner = self.expansion * x.shape[-1]
        y = x
        if self.expansion > 1:
            y = relu6(ConvNorm(inner, dtype=self.dtype, name="expand")(y, train, mask))
        depthwise = ConvNorm(inner, self.kernel, self.stride, groups=inner, dtype=self.dtype, name="depthwise")
        y = relu6(depthwise(y, train, mask))
        y = ConvNorm(self.width, dtype=self.dtype, name="project")(y, train, mask)
        if x.shape != y.shape:
            return y
        return x + nn.Dropout(self.drop_path, broadcast_dims=(1, 2, 3), deterministic=not train)(y)


class EfficientNetLite0(nn.Module):
    """3x3 convolution of stride 2 -> blocks -> 1x1 convolution -> mean over the pixels -> Dense.

    x [B, H, W, C] -> logits [B, outputs]; published for 224x224. The network of Tan & Le (2019) without squeeze and
    excitation and with relu6 for swish ("EfficientNet-Lite", 2020). `drop_path` grows with the depth, from 0 to its
    value. With remat the backward pass computes each block again instead of storing what is inside it.

    Raises ValueError for a dropout or a drop_path outside [0, 1).
    """

    outputs: int
    dropout: float = 0.2
    drop_path: float = 0.2
    dtype: Any = None
    remat: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """Logits [B, outputs]; rows whose mask is 0 do not enter batch statistics."""
        check_rate("dropout", self.dropout)
        check_rate("drop_path", self.drop_path)
        x = relu6(ConvNorm(STEM, 3, 2, dtype=self.dtype, name="stem")(x, train, mask))
        block = nn.remat(InvertedBottleneck, static_argnums=(2,)) if self.remat else InvertedBottleneck
        kinds = [stage._replace(stride=stage.stride if i == 0 else 1) for stage in STAGES for i in range(stage.depth)]
        for index, kind in enumerate(kinds):
            rate = self.drop_path * index / len(kinds)
            choices = (kind.width, kind.kernel, kind.stride, kind.expansion, rate, self.dtype)
            x = block(*choices, name=f"block{index}")(x, train, mask)
        x = relu6(ConvNorm(HEAD, dtype=self.dtype, name="last")(x, train, mask))
        features = jnp.mean(x.astype(jnp.float32), axis=(1, 2))
        return nn.Dense(self.outputs, name="head")(nn.Dropout(self.dropout, deterministic=not train)(features))
