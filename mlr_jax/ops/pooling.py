"""Pooling of images: the greatest or the mean value of each window, written so that its gradient is cheap on a CPU."""

from collections.abc import Iterator
from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def max_pool(x_BxHxWxC: jax.Array, window: int = 2, stride: int | None = None, padding: int = 0) -> jax.Array:
    """y[b, i, j, c] = max_{k, l < window} x[b, i s + k - p, j s + l - p, c]; returns [B, H', W', C].

    The stride s is the window where none is given; H' = floor((H + 2p - window) / s) + 1: a rest that fills no window
    is dropped. Padding never wins. Written with strided slices, whose gradient is far cheaper on a CPU than that of
    `reduce_window`, and with `where`: the gradient of `maximum` asks which argument equals the result, and loses it
    where the compiler computes both again with another rounding. At a tie the first of the window takes the gradient.

    Raises ValueError for windows and strides below 1, padding not below the window, and images smaller than a window.
    """
    lowest = -jnp.inf if jnp.issubdtype(x_BxHxWxC.dtype, jnp.floating) else jnp.iinfo(x_BxHxWxC.dtype).min
    result = None
    for part in _shifted(x_BxHxWxC, window, stride, padding, lowest):
        result = part if result is None else jnp.where((result >= part) | jnp.isnan(result), result, part)
    assert result is not None
    return result


def average_pool(x_BxHxWxC: jax.Array, window: int = 2, stride: int | None = None, padding: int = 0) -> jax.Array:
    """y[b, i, j, c] = 1 / window^2 sum_{k, l < window} x[b, i s + k - p, j s + l - p, c], zeros outside of the image.

    Shapes and errors are those of `max_pool`.
    """
    total = reduce(jnp.add, _shifted(x_BxHxWxC, window, stride, padding, 0))
    return total / window**2


def _shifted(x: jax.Array, window: int, stride: int | None, padding: int, filling: float) -> Iterator[jax.Array]:
    """For each place of the window, row by row, what stands there in all windows: [B, H', W', C]."""
    stride = window if stride is None else stride
    if window < 1 or stride < 1:
        raise ValueError(f"window and stride: got {window} and {stride}, both must be at least 1")
    if not 0 <= padding < window:
        raise ValueError(f"padding: got {padding}, allowed are 0 to {window - 1} with a window of {window}")
    if padding:
        sides = (padding, padding, 0)
        x = lax.pad(x, jnp.asarray(filling, x.dtype), ((0, 0, 0), sides, sides, (0, 0, 0)))
    batch, height, width, channels = x.shape
    if min(height, width) < window:
        raise ValueError(f"x: got images of {x.shape[1:3]} with padding, must be at least {window} in both directions")
    reach_h, reach_w = ((length - window) // stride * stride + 1 for length in (height, width))
    for k in range(window):
        for m in range(window):
            yield lax.slice(x, (0, k, m, 0), (batch, k + reach_h, m + reach_w, channels), (1, stride, stride, 1))


def adaptive_average_pool(x_BxHxWxC: jax.Array, height: int, width: int) -> jax.Array:
    """Means over height x width windows that tile the image as evenly as whole pixels allow: [B, height, width, C].

    Window i of n covers floor(i H / n) to ceil((i + 1) H / n): windows overlap, or repeat pixels, where n does not
    divide H. Raises ValueError for a height or width below 1.
    """
    if height < 1 or width < 1:
        raise ValueError(f"height and width: got {height} and {width}, both must be at least 1")
    rows, columns = (_windows(n, parts) for n, parts in ((x_BxHxWxC.shape[1], height), (x_BxHxWxC.shape[2], width)))
    return jnp.einsum("ih,jw,bhwc->bijc", rows.astype(x_BxHxWxC.dtype), columns.astype(x_BxHxWxC.dtype), x_BxHxWxC)


def _windows(length: int, parts: int) -> np.ndarray:
    """The weights of `length` pixels in the mean of each part: [parts, length]."""
    part, pixel = np.arange(parts)[:, None], np.arange(length)[None]
    inside = (pixel >= part * length // parts) & (pixel < -(-(part + 1) * length // parts))
    return inside / inside.sum(1, keepdims=True)
