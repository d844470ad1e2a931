"""AlexNet, in the form for one device."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.nn.checks import check_rate
from mlr_jax.nn.convolution import Conv
from mlr_jax.ops.pooling import adaptive_average_pool, max_pool

LAYERS = (
    (64, 11, 4, 2, True), (192, 5, 1, 2, True), (384, 3, 1, 1, False), (256, 3, 1, 1, False), (256, 3, 1, 1, True),
)  # fmt: skip
"""Of each convolution: channels, size of the kernel, stride, padding, and whether a maximum follows."""


class AlexNet(nn.Module):
    """Five convolutions with relu, three of them followed by a 3x3 maximum of stride 2; three dense layers.

    x [B, H, W, C], at least 63x63 -> logits [B, outputs]. The widths of "One weird trick for parallelizing
    convolutional neural networks" (Krizhevsky, 2014), without the two halves and the local response normalisation of
    Krizhevsky et al. (2012). Maps are averaged to 6x6, so that any larger image fits.

    Raises ValueError for smaller images and a dropout outside [0, 1).
    """

    outputs: int
    dropout: float = 0.5
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """Logits [B, outputs]; rows do not see each other, so the mask changes nothing."""
        check_rate("dropout", self.dropout)
        if min(x.shape[1:3]) < 63:
            raise ValueError(f"x: got images of {x.shape[1:3]}, must be at least 63 in both directions")

        for index, (width, kernel, stride, padding, pooled) in enumerate(LAYERS):
            conv = Conv(width, kernel, stride, padding, use_bias=True, dtype=self.dtype, name=f"conv{index}")
            x = nn.relu(conv(x))
            x = max_pool(x, 3, 2) if pooled else x
        x = adaptive_average_pool(x, 6, 6).reshape(len(x), -1)
        for index in range(2):
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
            x = nn.relu(nn.Dense(4096, dtype=self.dtype, name=f"dense{index}")(x))
        return nn.Dense(self.outputs, name="head")(x.astype(jnp.float32))
