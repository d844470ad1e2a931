"""The three maps of a convolution for XLA:CPU, each in the formulation that measures fastest for its shape.

What is known of this backend (jaxlib 0.10, two cores):

- Only canonical convolutions (NHWC images, HWIO kernels, nothing reversed or dilated) reach a library, above all inside
  a loop. The gradients that automatic differentiation makes are not canonical, and run as naive loops.
- Of its two libraries one cuts a convolution into parallel tasks along the outputs alone, so that up to 64 of them run
  on one core. It declines images that grow: one more row at the bottom, cut off again, leaves them to the other
  library, which uses all cores.
- A product of a transposed matrix is slow, a product with a transposed copy is fast. And memory that is touched for the
  first time costs more than arithmetic: what is made on the way is made for a part of the batch at a time.
"""

import itertools

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.ops import convolution_by_library
from mlr_jax.ops.convolution_geometry import Geometry

DIMENSIONS = ("NHWC", "HWIO", "NHWC")

FEW_OUTPUTS, MANY_OUTPUTS = 16, 128
"""Between these numbers of channels the library that XLA prefers uses one core."""

FEW_CHANNELS, NARROW_OUTPUTS = 8, 32
"""A convolution with so few channels, and so many outputs at most, is computed for several columns at once."""

CHUNK_BYTES = 4 << 20
"""Of the transposed copies that the weight gradient makes at a time: they stay in the cache."""

WINDOW_BYTES = 16 << 20
"""Of the overlapping windows that the input gradient makes at a time."""


def forward(geometry: Geometry, x: jax.Array, w: jax.Array) -> jax.Array:
    """C(x, w), [B, H', W', O]: a product where the window is one pixel, else a canonical convolution."""
    stride, groups = geometry.stride, geometry.groups
    if _is_pixelwise(geometry):
        return x[:, ::stride, ::stride] @ w[0, 0]
    outputs = geometry.outputs
    together = _columns_together(geometry, x, w)
    if together > 1:
        return _several_columns(geometry, x, w, together)
    leaves_one_core_idle = max(x.shape[3], w.shape[3]) > FEW_OUTPUTS and w.shape[3] < MANY_OUTPUTS
    (top, bottom), sides = geometry.pads
    if leaves_one_core_idle and stride == 1 and groups == 1 and outputs[0] == geometry.image[0]:
        bottom += 1
    y = lax.conv_general_dilated(
        x, w, (stride, stride), ((top, bottom), sides), dimension_numbers=DIMENSIONS, feature_group_count=groups
    )
    return y[:, : outputs[0]]


def _columns_together(geometry: Geometry, x: jax.Array, w: jax.Array) -> int:
    """How many columns of y are computed as outputs of one window, 1 for a plain convolution."""
    narrow = min(x.shape[3], w.shape[3]) <= FEW_CHANNELS and w.shape[3] <= NARROW_OUTPUTS
    if not narrow or geometry.stride > 1 or geometry.groups > 1:
        return 1
    return next((count for count in range(4, 9) if geometry.outputs[1] % count == 0), 1)


def _several_columns(geometry: Geometry, x: jax.Array, w: jax.Array, count: int) -> jax.Array:
    """y[b, h, count j + n, o] as output (n, o) of a window that is wider by count - 1 columns, and steps by count.

    A few more multiplications by zero, but `count` times the outputs for each window that is gathered: with one
    channel gathering takes ten times as long as multiplying.
    """
    shifted = [jnp.pad(w, ((0, 0), (n, count - 1 - n), (0, 0), (0, 0))) for n in range(count)]
    rows, columns, channels, outputs = w.shape
    wide = jnp.stack(shifted, 3).reshape(rows, columns + count - 1, channels, count * outputs)
    y = lax.conv_general_dilated(x, wide, (1, count), geometry.pads, dimension_numbers=DIMENSIONS)
    return y.reshape(x.shape[0], *geometry.outputs, outputs)


def input_gradient(geometry: Geometry, g: jax.Array, w: jax.Array) -> jax.Array:
    """T(g, w), [B, H, W, C]: overlapping windows where the stride divides the kernel, else canonical convolutions.

    Pixel h of a row with h + p = s q + r, r < s, meets the kernel at k = r + s t only, from output q - t:
    x[h] = sum_t g[q - t] w[r + s t], one convolution for each of the stride x stride phases of the image.
    """
    stride = geometry.stride
    if geometry.groups > 1:
        return convolution_by_library.input_gradient(geometry, g, w)
    if _is_pixelwise(geometry):
        spread = [(0, n - (m - 1) * stride - 1, stride - 1) for n, m in zip(geometry.image, g.shape[1:3], strict=True)]
        return lax.pad(g @ w[0, 0].T, jnp.zeros((), g.dtype), ((0, 0, 0), *spread, (0, 0, 0)))
    befores = [before for before, _ in geometry.pads]
    lengths = [-(-(n + before) // stride) for n, before in zip(geometry.image, befores, strict=True)]
    g = g[:, : lengths[0], : lengths[1]]
    if stride == 1:
        x = _phase(g, w, lengths)
    elif not (geometry.kernel[0] % stride or geometry.kernel[1] % stride):
        chunks = _divisor(len(g), -(-g[..., 0].size * w[..., 0].size * g.dtype.itemsize // WINDOW_BYTES))
        parts = g.reshape(chunks, -1, *g.shape[1:])
        x = lax.map(lambda part: _overlapping(part, w, stride, lengths), parts)
        x = x.reshape(-1, *x.shape[2:])
    else:
        phases = [[_phase(g, w[r::stride, c::stride], lengths) for c in range(stride)] for r in range(stride)]
        x = jnp.stack([jnp.stack(row, 3) for row in phases], 2)  # [B, q, r, q', r', C]
        x = x.reshape(x.shape[0], lengths[0] * stride, lengths[1] * stride, x.shape[5])
    (top, left), (height, width) = befores, geometry.image
    return x[:, top : top + height, left : left + width]


def _phase(g: jax.Array, w: jax.Array, lengths: list[int]) -> jax.Array:
    """y[q] = sum_t g[q - t] w[t] for q below `lengths`, [B, q, q', C]."""
    rows, columns, channels, _ = w.shape
    if rows == 0 or columns == 0:
        return jnp.zeros((g.shape[0], *lengths, channels), g.dtype)
    window = (rows, columns)
    pads = [(k - 1, length - n) for k, length, n in zip(window, lengths, g.shape[1:3], strict=True)]
    geometry = Geometry((g.shape[1], g.shape[2]), window, 1, (pads[0], pads[1]))
    return forward(geometry, g, w[::-1, ::-1].swapaxes(2, 3))


def _overlapping(g: jax.Array, w: jax.Array, stride: int, lengths: list[int]) -> jax.Array:
    """y[s q + r] = sum_t g[q - t] w[s t + r] for q below `lengths`, [B, s q, s q', C], where s divides the kernel.

    What every output adds to every pixel of its window is one product; windows are then laid over each other, s pixels
    apart, with the s x s phases of a pixel side by side as channels.
    """
    rows, columns, channels, outputs = w.shape
    taps = (rows // stride, columns // stride)
    w = w.reshape(taps[0], stride, taps[1], stride, channels, outputs).transpose(0, 2, 1, 3, 4, 5)
    batch, height, width, _ = g.shape
    products = g.reshape(-1, outputs) @ w.reshape(-1, outputs).T
    windows = products.reshape(batch, height, width, *taps, stride * stride * channels)
    y = jnp.zeros((batch, *lengths, stride * stride * channels), g.dtype)
    for t, u in itertools.product(*map(range, taps)):
        moved = ((t, lengths[0] - height - t, 0), (u, lengths[1] - width - u, 0))
        y += lax.pad(windows[:, :, :, t, u], jnp.zeros((), g.dtype), ((0, 0, 0), *moved, (0, 0, 0)))
    y = y.reshape(batch, *lengths, stride, stride, channels).transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(batch, lengths[0] * stride, lengths[1] * stride, channels)


def weight_gradient(geometry: Geometry, x: jax.Array, g: jax.Array) -> jax.Array:
    """W(x, g), [K, L, C, O]: products of a transposed copy of x with g, summed over parts of the batch."""
    if geometry.groups > 1:
        return convolution_by_library.weight_gradient(geometry, x, g)
    stride, batch = geometry.stride, x.shape[0]
    if _is_pixelwise(geometry):
        x = x[:, ::stride, ::stride]
        return (x.reshape(-1, x.shape[3]).T @ g.reshape(-1, g.shape[3]))[None, None]
    if stride == 1 and x.shape[3] <= FEW_CHANNELS:
        return _by_images(geometry, x, g)
    of_chunk = _by_rows_and_columns if stride == 1 else _by_shifts
    chunks = _divisor(batch, -(-geometry.kernel[1] * x.size * x.dtype.itemsize // (stride**2 * CHUNK_BYTES)))

    def add(total: jax.Array, chunk: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        return total + of_chunk(geometry, *chunk), None

    zero = jnp.zeros(geometry.kernel_shape(x, g), _accumulated(g))
    split = tuple(array.reshape(chunks, batch // chunks, *array.shape[1:]) for array in (x, g))
    return lax.scan(add, zero, split)[0].astype(g.dtype)


def _by_images(geometry: Geometry, x: jax.Array, g: jax.Array) -> jax.Array:
    """The convolution of the channels of x, as a batch of images, with those of g as kernels; rows are the channels."""
    pads = [(before, after) for before, after, _ in _sides(geometry)]
    w = lax.conv_general_dilated(
        x.transpose(3, 1, 2, 0), g.transpose(1, 2, 0, 3), (1, 1), pads, dimension_numbers=DIMENSIONS
    )
    return w.transpose(1, 2, 0, 3)


def _by_rows_and_columns(geometry: Geometry, x: jax.Array, g: jax.Array) -> jax.Array:
    """w[k, l, c, o] = sum_{b, h, w} x[b, h, w + l, c] g[b, h - k, w, o], over the rows h of the padded image.

    Columns are shifted in x and rows in g: K + L copies instead of K L.
    """
    rows, columns = geometry.kernel
    x_CxBxHxW = lax.pad(x.transpose(3, 0, 1, 2), jnp.zeros((), x.dtype), ((0, 0, 0), (0, 0, 0), *_sides(geometry)))
    width = geometry.outputs[1]
    shifted = jnp.stack([x_CxBxHxW[..., left : left + width] for left in range(columns)])
    shifted = shifted.reshape(columns * x.shape[3], -1)
    products = []
    for k in range(rows):
        g_of_row = jnp.pad(g, ((0, 0), (k, rows - 1 - k), (0, 0), (0, 0))).reshape(-1, g.shape[3])
        products.append(jnp.matmul(shifted, g_of_row, preferred_element_type=_accumulated(g)))
    return jnp.stack(products).reshape(geometry.kernel_shape(x, g))


def _by_shifts(geometry: Geometry, x: jax.Array, g: jax.Array) -> jax.Array:
    """w[k, l, c, o] = sum_{b, i, j} x[b, i s + k, j s + l, c] g[b, i, j, o], over the padded image."""
    rows, columns = geometry.kernel
    stride = geometry.stride
    x_CxBxHxW = lax.pad(x.transpose(3, 0, 1, 2), jnp.zeros((), x.dtype), ((0, 0, 0), (0, 0, 0), *_sides(geometry)))
    reach_h, reach_w = ((length - 1) * stride + 1 for length in geometry.outputs)
    shifted = [
        x_CxBxHxW[:, :, k : k + reach_h : stride, m : m + reach_w : stride] for k in range(rows) for m in range(columns)
    ]
    lhs = jnp.stack(shifted).reshape(rows * columns * x.shape[3], -1)
    w = jnp.matmul(lhs, g.reshape(-1, g.shape[3]), preferred_element_type=_accumulated(g))
    return w.reshape(geometry.kernel_shape(x, g))


def _accumulated(array: jax.Array) -> jnp.dtype:
    return jnp.promote_types(array.dtype, jnp.float32)


def _sides(geometry: Geometry) -> tuple[tuple[int, int, int], ...]:
    """Padding of rows and columns, to which rows and columns that no window reaches are cut."""
    needed = [(m - 1) * geometry.stride + k for m, k in zip(geometry.outputs, geometry.kernel, strict=True)]
    return tuple(
        (before, need - length - before, 0)
        for (before, _), need, length in zip(geometry.pads, needed, geometry.image, strict=True)
    )


def _is_pixelwise(geometry: Geometry) -> bool:
    return geometry.kernel == (1, 1) and geometry.groups == 1 and geometry.pads == ((0, 0), (0, 0))


def _divisor(number: int, least: int) -> int:
    """The smallest divisor of a number that is at least `least`, or the number itself."""
    return next((d for d in range(max(least, 1), number) if number % d == 0), number)
