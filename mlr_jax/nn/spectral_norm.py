"""Layers whose kernel has spectral norm one, so that no change of their input is enlarged (Miyato et al., 2018)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.ops.convolution import conv2d
from mlr_jax.ops.convolution_geometry import Padding

EPSILON = 1e-12


class SpectralDense(nn.Module):
    """y = x W / sigma (+ bias), sigma the greatest singular value of W: x [..., C] -> [..., features]."""

    features: int
    use_bias: bool = True
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        """In training the estimate of sigma is brought up to date."""
        kernel = self.param("kernel", self.kernel_init, (x.shape[-1], self.features))
        y = x @ _normalised(self, kernel, train)
        return _with_bias(self, y) if self.use_bias else y


class SpectralConv(nn.Module):
    """The same of a convolution [B, H, W, C] -> [B, H', W', features], whose kernel counts as a matrix [K L C, O]."""

    features: int
    kernel: int = 3
    stride: int = 1
    padding: Padding = "SAME"
    use_bias: bool = True
    kernel_init: nn.initializers.Initializer = nn.initializers.he_normal()

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        """In training the estimate of sigma is brought up to date."""
        kernel = self.param("kernel", self.kernel_init, (self.kernel, self.kernel, x.shape[-1], self.features))
        y = conv2d(x, _normalised(self, kernel, train), stride=self.stride, padding=self.padding)
        return _with_bias(self, y) if self.use_bias else y


def power_iteration(matrix: jax.Array, u: jax.Array, steps: int) -> tuple[jax.Array, jax.Array]:
    """The greatest singular value of a matrix [N, O], [], and its right singular vector, from a guess u [O] of it.

    v = W u / |W u|, then u = W' v / |W' v|, in turn; sigma = v' W u. Differentiated as if u and v were given, which is
    exact where they are right: d sigma / dW = v u'.
    """

    def unit(vector: jax.Array) -> jax.Array:
        return vector / (jnp.linalg.norm(vector) + EPSILON)

    constant = lax.stop_gradient(matrix)
    u = lax.stop_gradient(u)
    for _ in range(steps):
        u = unit(constant.T @ unit(constant @ u))
    return unit(constant @ u) @ (matrix @ u), u


def _normalised(module: nn.Module, kernel: jax.Array, train: bool) -> jax.Array:
    """The kernel over its spectral norm; one power iteration for each step of training, since kernels move slowly."""
    outputs = kernel.shape[-1]
    guess = module.variable("spectral", "u", lambda: jax.random.normal(module.make_rng("params"), (outputs,)))
    sigma, u = power_iteration(kernel.reshape(-1, outputs), guess.value, steps=1 if train else 0)
    if train and not module.is_initializing():
        guess.value = u
    return kernel / sigma


def _with_bias(module: nn.Module, y: jax.Array) -> jax.Array:
    bias = module.param("bias", nn.initializers.zeros_init(), y.shape[-1:])
    return y + jnp.expand_dims(bias, tuple(range(y.ndim - 1)))
