"""The transposed convolution: images grow by the map by which a convolution's gradients come back."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.ops.convolution import conv_transpose2d
from mlr_jax.ops.convolution_geometry import Padding


class ConvTranspose(nn.Module):
    """y = conv_transpose2d(x, kernel) (+ bias), x [B, H, W, C] -> [B, H', W', features]; see `ops/convolution.py`.

    By default a window of 4x4 pixels and stride 2, which doubles H and W; since the stride divides the window, every
    pixel of y is made of as many of x. Without a bias by default, and of the dtype of x, as `nn/convolution.py: Conv`.
    """

    features: int
    kernel: int = 4
    stride: int = 2
    padding: Padding = "SAME"
    use_bias: bool = False
    kernel_init: nn.initializers.Initializer = nn.initializers.he_normal()
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Enlarge a batch of images."""
        dtype = self.dtype or x.dtype
        weights = self.param("kernel", self.kernel_init, (self.kernel, self.kernel, x.shape[-1], self.features))
        y = conv_transpose2d(x.astype(dtype), weights.astype(dtype), stride=self.stride, padding=self.padding)
        if not self.use_bias:
            return y
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,)).astype(dtype)
        return y + jnp.expand_dims(bias, (0, 1, 2))
