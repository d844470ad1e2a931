"""The static part of a convolution: sizes, stride, padding and groups, checked."""

from typing import Any, Literal, NamedTuple

import jax
from jax import lax

Pads = tuple[tuple[int, int], tuple[int, int]]
"""Zeros before and after the rows, and before and after the columns."""

Padding = Literal["SAME", "VALID"] | int | Pads


class Geometry(NamedTuple):
    """A convolution from images of `image` = (H, W) with kernels of `kernel` = (K, L), whatever the channels."""

    image: tuple[int, int]
    kernel: tuple[int, int]
    stride: int
    pads: Pads
    groups: int = 1

    @property
    def outputs(self) -> tuple[int, int]:
        """(H', W')."""
        lengths = zip(self.image, self.kernel, self.pads, strict=True)
        height, width = ((n + sum(pads) - k) // self.stride + 1 for n, k, pads in lengths)
        return height, width

    def image_shape(self, g_BxHxWxO: jax.Array, w_KxLxCxO: jax.Array) -> tuple[int, ...]:
        """The shape of x where g has that of y: [B, H, W, C]."""
        return (g_BxHxWxO.shape[0], *self.image, w_KxLxCxO.shape[2] * self.groups)

    def kernel_shape(self, x_BxHxWxC: jax.Array, g_BxHxWxO: jax.Array) -> tuple[int, ...]:
        """The shape of w: [K, L, C / groups, O]."""
        return (*self.kernel, x_BxHxWxC.shape[3] // self.groups, g_BxHxWxO.shape[3])


def geometry_of(x: tuple[int, ...], kernel: tuple[int, ...], stride: int, padding: Padding, groups: int) -> Geometry:
    """The geometry of a convolution of images of shape x [B, H, W, C] with a kernel of shape [K, L, C / groups, O].

    Raises ValueError where the arguments do not fit together.
    """
    _check_ranks(x, kernel, stride)
    if groups < 1 or x[3] % groups or kernel[3] % groups:
        raise ValueError(f"groups: got {groups}, must divide the {x[3]} channels and the {kernel[3]} outputs")
    if kernel[2] * groups != x[3]:
        raise ValueError(f"kernel: got {kernel}, its third axis must be {x[3] // groups} channels")
    image, window = (x[1], x[2]), (kernel[0], kernel[1])
    geometry = Geometry(image, window, stride, _pads(image, window, stride, padding), groups)
    if min(geometry.outputs) < 1:
        raise ValueError(f"kernel: got {kernel}, larger than images of {image} with padding {geometry.pads}")
    return geometry


def transposed_geometry_of(x: tuple[int, ...], kernel: tuple[int, ...], stride: int, padding: Padding) -> Geometry:
    """The geometry of the convolution whose transpose takes x [B, H, W, C] with a kernel [K, L, C, O].

    Raises ValueError where the arguments do not fit together.
    """
    _check_ranks(x, kernel, stride)
    if kernel[2] != x[3]:
        raise ValueError(f"kernel: got {kernel}, its third axis must be {x[3]} channels")
    window = (kernel[0], kernel[1])
    if padding == "SAME":
        image = (x[1] * stride, x[2] * stride)
        return Geometry(image, window, stride, _pads(image, window, stride, padding))
    pads = _pads((x[1], x[2]), window, stride, padding)
    height, width = ((n - 1) * stride + k - sum(p) for n, k, p in zip(x[1:3], window, pads, strict=True))
    if min(height, width) < 1:
        raise ValueError(f"padding: got {padding!r}, which leaves nothing of images of {x[1:3]}")
    return Geometry((height, width), window, stride, pads)


def _check_ranks(x: tuple[int, ...], kernel: tuple[int, ...], stride: int) -> None:
    if len(x) != 4 or len(kernel) != 4:
        raise ValueError(f"x and kernel: got shapes {x} and {kernel}, both must have four axes")
    if stride < 1:
        raise ValueError(f"stride: got {stride}, must be at least 1")


def _pads(image: tuple[int, int], window: tuple[int, int], stride: int, padding: Padding) -> Pads:
    if padding in ("SAME", "VALID"):
        rows, columns = lax.padtype_to_pads(image, window, (stride, stride), padding)
        return rows, columns
    pads: Any = ((padding, padding), (padding, padding)) if isinstance(padding, int) else padding
    try:
        (top, bottom), (left, right) = pads
        is_allowed = min(top, bottom, left, right) >= 0
    except (TypeError, ValueError):
        is_allowed = False
    if not is_allowed:
        allowed = "'SAME', 'VALID', a number from 0, or ((top, bottom), (left, right)) of such"
        raise ValueError(f"padding: got {padding!r}, allowed are {allowed}")
    return (top, bottom), (left, right)
