"""The three maps of a convolution for XLA:CPU, each in the formulation that measures fastest for its shape."""

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.ops.convolution_geometry import Geometry


def forward(geometry: Geometry, x: jax.Array, w: jax.Array) -> jax.Array:
    """C(x, w)."""
    return lax.conv_general_dilated(
        x,
        w,
        (geometry.stride, geometry.stride),
        geometry.pads,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=geometry.groups,
    )


def input_gradient(geometry: Geometry, g: jax.Array, w: jax.Array) -> jax.Array:
    """T(g, w)."""
    shape = jax.ShapeDtypeStruct(geometry.image_shape(g, w), g.dtype)
    return jax.linear_transpose(lambda x: forward(geometry, x, w), shape)(g)[0]


def weight_gradient(geometry: Geometry, x: jax.Array, g: jax.Array) -> jax.Array:
    """W(x, g)."""
    if geometry.groups > 1:
        shape = jax.ShapeDtypeStruct(geometry.kernel_shape(x, g), g.dtype)
        return jax.linear_transpose(lambda w: forward(geometry, x, w), shape)(g)[0]
    rows, columns = geometry.kernel
    height, width = geometry.outputs
    stride = geometry.stride
    padded = jnp.pad(x, ((0, 0), *geometry.pads, (0, 0)))
    shifted = [
        lax.slice(
            padded,
            (0, k, m, 0),
            (x.shape[0], k + (height - 1) * stride + 1, m + (width - 1) * stride + 1, x.shape[3]),
            (1, stride, stride, 1),
        )
        for k in range(rows)
        for m in range(columns)
    ]
    patches = jnp.concatenate(shifted, axis=-1).reshape(-1, rows * columns * x.shape[3])
    return (patches.T @ g.reshape(-1, g.shape[3])).reshape(geometry.kernel_shape(x, g))
