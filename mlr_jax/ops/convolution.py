"""Convolution of a batch of images and its transpose, in the formulation that is fast where they run.

A convolution y = C(x, w) is bilinear, and with its two gradients it is a family closed under differentiation:

    forward            y = C(x, w)       its cotangent g goes to x by T(g, w) and to w by W(x, g)
    input gradient     x = T(g, w)       its cotangent x goes to g by C(x, w) and to w by W(x, g)
    weight gradient    w = W(x, g)       its cotangent w goes to x by T(g, w) and to g by C(x, w)

so gradients of every order are made of these three, and each of the three is written in the way that is fastest. On a
GPU or TPU that is the library's convolution; for a CPU see `ops/convolution_on_cpu.py`. Models do not know.
"""

from collections.abc import Callable
from functools import partial

import jax
from jax import lax
from jax.custom_batching import custom_vmap

from mlr_jax.ops import convolution_by_library, convolution_on_cpu
from mlr_jax.ops.convolution_geometry import Geometry, Padding, geometry_of, transposed_geometry_of


def conv2d(
    x_BxHxWxC: jax.Array, kernel_KxLxCxO: jax.Array, *, stride: int = 1, padding: Padding = "SAME", groups: int = 1
) -> jax.Array:
    """y[b, i, j, o] = sum_{k, l, c} x[b, i s + k - p, j s + l - q, c] w[k, l, c, o] (cross-correlation) [B, H', W', O].

    padding is "SAME" (H' = ceil(H / stride)), "VALID", a number of zeros for every side, or ((top, bottom), (left,
    right)). With groups, channels and outputs are cut into as many parts that do not see each other, and the third axis
    of the kernel is C / groups. Raises ValueError for another padding or shapes that do not fit.
    """
    geometry = geometry_of(x_BxHxWxC.shape, kernel_KxLxCxO.shape, stride, padding, groups)
    if jax.default_backend() == "cpu":
        return _forward(geometry, x_BxHxWxC, kernel_KxLxCxO)
    return convolution_by_library.forward(geometry, x_BxHxWxC, kernel_KxLxCxO)


def conv_transpose2d(
    x_BxHxWxC: jax.Array, kernel_KxLxCxO: jax.Array, *, stride: int = 1, padding: Padding = "SAME"
) -> jax.Array:
    """y[b, i s + k - p, j s + l - q, o] = sum over i, j, k, l, c that meet there of x[b, i, j, c] w[k, l, c, o].

    The transpose of a convolution with this stride: padding "SAME" gives H' = H stride, "VALID" (H - 1) stride + K, and
    numbers are taken from that at each side. Returns [B, H', W', O]. Raises ValueError as `conv2d` does.
    """
    geometry = transposed_geometry_of(x_BxHxWxC.shape, kernel_KxLxCxO.shape, stride, padding)
    kernel_KxLxOxC = kernel_KxLxCxO.swapaxes(2, 3)
    if jax.default_backend() == "cpu":
        return _input_gradient(geometry, x_BxHxWxC, kernel_KxLxOxC)
    return convolution_by_library.input_gradient(geometry, x_BxHxWxC, kernel_KxLxOxC)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _forward(geometry: Geometry, x: jax.Array, w: jax.Array) -> jax.Array:
    return _with_members(_forward, convolution_on_cpu.forward, geometry)(x, w)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _input_gradient(geometry: Geometry, g: jax.Array, w: jax.Array) -> jax.Array:
    return _with_members(_input_gradient, convolution_on_cpu.input_gradient, geometry)(g, w)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _weight_gradient(geometry: Geometry, x: jax.Array, g: jax.Array) -> jax.Array:
    return _with_members(_weight_gradient, convolution_on_cpu.weight_gradient, geometry)(x, g)


def _with_members(function: Callable, formulation: Callable, geometry: Geometry) -> Callable:
    """The formulation, and what it is under `vmap`: images of all members as one batch where they share the kernel.

    With a kernel for each member, as in a sweep, side by side would be a convolution in groups, which is slow: members
    then run one after another, each at the speed of one alone.
    """

    @custom_vmap
    def computed(first: jax.Array, second: jax.Array) -> jax.Array:
        return formulation(geometry, first, second)

    @computed.def_vmap
    def of_members(axis_size: int, in_batched: list[bool], first: jax.Array, second: jax.Array):
        is_first, is_second = in_batched
        if not is_second and function is not _weight_gradient:
            result = function(geometry, first.reshape(-1, *first.shape[2:]), second)
            return result.reshape(axis_size, -1, *result.shape[1:]), True
        members = (first if is_first else None, second if is_second else None)

        def of_one(member: tuple[jax.Array | None, jax.Array | None]) -> jax.Array:
            own_first, own_second = member
            return function(
                geometry, first if own_first is None else own_first, second if own_second is None else own_second
            )

        return lax.map(of_one, members), True

    return computed


def _differentiate_as(function, to_first, to_second) -> None:
    """The cotangents of a bilinear map's arguments: to_first(geometry, first, second, cotangent), and so the second."""

    def forward(geometry: Geometry, first: jax.Array, second: jax.Array):
        return function(geometry, first, second), (first, second)

    def backward(geometry: Geometry, arguments: tuple[jax.Array, jax.Array], cotangent: jax.Array):
        return to_first(geometry, *arguments, cotangent), to_second(geometry, *arguments, cotangent)

    function.defvjp(forward, backward)


_differentiate_as(
    _forward,
    lambda geometry, x, w, g: _input_gradient(geometry, g, w),
    lambda geometry, x, w, g: _weight_gradient(geometry, x, g),
)
_differentiate_as(
    _input_gradient,
    lambda geometry, g, w, x: _forward(geometry, x, w),
    lambda geometry, g, w, x: _weight_gradient(geometry, x, g),
)
_differentiate_as(
    _weight_gradient,
    lambda geometry, x, g, w: _input_gradient(geometry, g, w),
    lambda geometry, x, g, w: _forward(geometry, x, w),
)
