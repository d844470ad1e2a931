"""A small convolutional network for small images."""

from collections.abc import Sequence

import flax.linen as nn
import jax

from mlr_jax.nn.checks import check_rate, check_widths
from mlr_jax.nn.convolution import Conv
from mlr_jax.nn.norm import BatchNorm
from mlr_jax.ops.pooling import max_pool


class CNN(nn.Module):
    """[convolutions, batch normalisation, relu; then 2x2 max pooling] for each stage -> Dense (LeCun et al., 1998).

    x [B, H, W, C]; returns [B, outputs]. A stage has `depth` convolutions of the same width.
    Raises ValueError for a width that is not positive, a dropout outside [0, 1) and more stages than halvings.
    """

    widths: Sequence[int]
    outputs: int
    depth: int = 1
    hidden: int = 128
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """Logits [B, outputs] of x [B, H, W, C]; rows whose mask is 0 do not enter the batch statistics."""
        check_widths("widths", self.widths)
        check_widths("hidden", (self.hidden,))
        check_rate("dropout", self.dropout)
        if min(x.shape[1:3]) < 2 ** len(self.widths):
            raise ValueError(f"widths: got {len(self.widths)} stages, which halve images of {x.shape[1:3]} to nothing")
        for width in self.widths:
            for _ in range(self.depth):
                x = nn.relu(BatchNorm()(Conv(width)(x), train=train, mask=mask))
            x = max_pool(x)
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(BatchNorm()(nn.Dense(self.hidden, use_bias=False)(x), train=train, mask=mask))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.outputs)(x)
