"""LeNet-5: the first convolutional network that read letters and cheques."""

import flax.linen as nn
import jax

from mlr_jax.nn.convolution import Conv
from mlr_jax.ops.pooling import average_pool


class LeNet5(nn.Module):
    """[conv 5x5, tanh, 2x2 mean] twice, then three dense layers (LeCun et al., 1998).

    x [B, 28, 28, C] or [B, 32, 32, C] -> logits [B, outputs]. As in the paper but for three things that became common:
    every map sees all maps before it, the pooling has no parameters, and the last layer is linear. The first
    convolution pads images of 28x28 to the 32x32 of the paper.

    Raises ValueError for images of another size.
    """

    outputs: int

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """Logits [B, outputs]; rows do not see each other, so neither train nor the mask changes anything."""
        if x.shape[1:3] not in ((28, 28), (32, 32)):
            raise ValueError(f"x: got images of {x.shape[1:3]}, allowed are (28, 28) and (32, 32)")
        x = average_pool(nn.tanh(Conv(6, 5, padding=(32 - x.shape[1]) // 2, use_bias=True)(x)))
        x = average_pool(nn.tanh(Conv(16, 5, padding="VALID", use_bias=True)(x)))
        x = x.reshape(len(x), -1)
        for width in (120, 84):
            x = nn.tanh(nn.Dense(width)(x))
        return nn.Dense(self.outputs)(x)
