"""VGG: depth by stacking 3x3 convolutions."""

from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.nn.checks import check_rate
from mlr_jax.nn.convolution import Conv
from mlr_jax.nn.norm import BatchNorm
from mlr_jax.ops.pooling import adaptive_average_pool, max_pool

DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""By the number of layers: convolutions in each stage (Simonyan & Zisserman, 2015, table 1)."""

WIDTHS = (64, 128, 256, 512, 512)
"""Channels of each stage."""


class VGG(nn.Module):
    """[conv 3x3, (batch normalisation,) relu] for each layer of a stage, a 2x2 maximum after it; three dense layers.

    x [B, H, W, C], at least 32x32 -> logits [B, outputs]. Maps are averaged to 7x7 before the dense layers, whose
    hidden width is `hidden`. Convolutions keep their bias also before a normalisation, which cancels it: published
    weights have one.

    Raises ValueError for other numbers of layers, smaller images and a dropout outside [0, 1).
    """

    layers: Literal[11, 13, 16, 19]
    outputs: int
    batch_norm: bool = False
    hidden: int = 4096
    dropout: float = 0.5
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """Logits [B, outputs]; rows whose mask is 0 do not enter batch statistics."""
        check_rate("dropout", self.dropout)
        if self.layers not in DEPTHS:
            raise ValueError(f"layers: got {self.layers}, allowed are {', '.join(map(str, DEPTHS))}")
        if min(x.shape[1:3]) < 32:
            raise ValueError(f"x: got images of {x.shape[1:3]}, must be at least 32 in both directions")
        for stage, (depth, width) in enumerate(zip(DEPTHS[self.layers], WIDTHS, strict=True)):
            for index in range(depth):
                name = f"stage{stage}_{index}"
                x = Conv(width, use_bias=True, dtype=self.dtype, name=f"{name}_conv")(x)
                x = BatchNorm(name=f"{name}_norm")(x, train=train, mask=mask) if self.batch_norm else x
                x = nn.relu(x)
            x = max_pool(x)
        x = adaptive_average_pool(x, 7, 7).reshape(len(x), -1)
        for index in range(2):
            x = nn.relu(nn.Dense(self.hidden, dtype=self.dtype, name=f"dense{index}")(x))
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.outputs, name="head")(x.astype(jnp.float32))
