"""A small convolutional network for small images."""

from collections.abc import Sequence

import flax.linen as nn
import jax

from mlr_jax.nn.checks import check_rate, check_widths
from mlr_jax.nn.norm import BatchNorm
from mlr_jax.ops.convolution import conv2d, max_pool


class Conv(nn.Module):
    """A 2-D convolution without bias over a batch, x [B, H, W, C] -> [B, H', W', features]."""

    features: int
    kernel: int = 3
    stride: int = 1
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """See `ops/convolution.py: conv2d`."""
        shape = (self.kernel, self.kernel, x.shape[-1], self.features)
        weights = self.param("kernel", nn.initializers.he_normal(), shape)
        return jax.vmap(conv2d, in_axes=(0, None, None, None))(x, weights, self.stride, self.padding)


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
            x = jax.vmap(max_pool)(x)
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(BatchNorm()(nn.Dense(self.hidden, use_bias=False)(x), train=train, mask=mask))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.outputs)(x)
