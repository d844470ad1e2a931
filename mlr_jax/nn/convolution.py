"""The convolution of every network for images."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.ops.convolution import conv2d
from mlr_jax.ops.convolution_geometry import Padding


class Conv(nn.Module):
    """y = conv2d(x, kernel) (+ bias), x [B, H, W, C] -> [B, H', W', features]; see `ops/convolution.py: conv2d`.

    The kernel is square. Without a bias by default: batch normalisation, which usually follows, would cancel it.
    `dtype` is that of the computation (that of x where it is None); parameters are float32.
    """

    features: int
    kernel: int = 3
    stride: int = 1
    padding: Padding = "SAME"
    groups: int = 1
    use_bias: bool = False
    kernel_init: nn.initializers.Initializer = nn.initializers.he_normal()
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Convolve a batch of images."""
        dtype = self.dtype or x.dtype
        shape = (self.kernel, self.kernel, x.shape[-1] // self.groups, self.features)
        weights = self.param("kernel", self.kernel_init, shape).astype(dtype)
        y = conv2d(x.astype(dtype), weights, stride=self.stride, padding=self.padding, groups=self.groups)
        if not self.use_bias:
            return y
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,)).astype(dtype)
        return y + jnp.expand_dims(bias, (0, 1, 2))
