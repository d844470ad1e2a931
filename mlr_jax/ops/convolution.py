"""Convolution and pooling of one image, in the formulation that is fast where it runs; callers vmap.

XLA:CPU does not canonicalise convolutions inside loop bodies: there a convolution's gradient is computed by naive
loops, tens of times slower than outside of them, and under a vmap over kernels it becomes a grouped convolution. As a
product of patches the same numbers come from matrix products, forward and backward, in a scan and under vmap alike. On
a GPU or TPU the library convolution is the fast one.
"""

import jax
import jax.numpy as jnp
from jax import lax


def conv2d(x_HxWxC: jax.Array, kernel_KxLxCxO: jax.Array, stride: int = 1, padding: str = "SAME") -> jax.Array:
    """y[i, j, o] = sum_{k, l, c} x[i s + k - p, j s + l - q, c] w[k, l, c, o] (cross-correlation); returns [H', W', O].

    padding is "SAME" (H' = ceil(H / stride)) or "VALID". Raises ValueError for anything else and where the channels of
    image and kernel differ.
    """
    if padding not in ("SAME", "VALID"):
        raise ValueError(f"padding: got {padding!r}, allowed are 'SAME' and 'VALID'")
    if x_HxWxC.shape[-1] != kernel_KxLxCxO.shape[2]:
        raise ValueError(f"kernel: got {kernel_KxLxCxO.shape}, its third axis must be {x_HxWxC.shape[-1]} channels")
    if jax.default_backend() == "cpu":
        return _by_patches(x_HxWxC, kernel_KxLxCxO, stride, padding)
    return _by_library(x_HxWxC, kernel_KxLxCxO, stride, padding)


def _by_library(x: jax.Array, kernel: jax.Array, stride: int, padding: str) -> jax.Array:
    y = lax.conv_general_dilated(x[None], kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return y[0]


def _by_patches(x: jax.Array, kernel: jax.Array, stride: int, padding: str) -> jax.Array:
    height, width, channels = x.shape
    rows, columns, _, outputs = kernel.shape
    pads = lax.padtype_to_pads((height, width), (rows, columns), (stride, stride), padding)
    padded = jnp.pad(x, (*pads, (0, 0)))
    out_height = (padded.shape[0] - rows) // stride + 1
    out_width = (padded.shape[1] - columns) // stride + 1
    shifted = [
        lax.slice(
            padded,
            (k, m, 0),
            (k + (out_height - 1) * stride + 1, m + (out_width - 1) * stride + 1, channels),
            (stride, stride, 1),
        )
        for k in range(rows)
        for m in range(columns)
    ]
    patches = jnp.concatenate(shifted, axis=-1).reshape(out_height * out_width, rows * columns * channels)
    return (patches @ kernel.reshape(-1, outputs)).reshape(out_height, out_width, outputs)


def max_pool(x_HxWxC: jax.Array, window: int = 2) -> jax.Array:
    """The maximum of each window x window block; a rest that fills no block is dropped. Returns [H', W', C].

    Written with strided slices, whose gradient is far cheaper on a CPU than that of `reduce_window`, and with `where`:
    the gradient of `maximum` asks which argument equals the result, and loses it where the compiler computes both
    again with another rounding. At a tie the first of the block takes the gradient.
    """
    height, width, channels = x_HxWxC.shape
    end_row, end_column = height // window * window, width // window * window
    result = None
    for row in range(window):
        for column in range(window):
            part = lax.slice(x_HxWxC, (row, column, 0), (end_row, end_column, channels), (window, window, 1))
            result = part if result is None else jnp.where((result >= part) | jnp.isnan(result), result, part)
    assert result is not None
    return result
