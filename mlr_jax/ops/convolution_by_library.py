"""The three maps of a convolution as XLA's library and its automatic differentiation make them."""

import jax
from jax import lax

from mlr_jax.ops.convolution_geometry import Geometry


def forward(geometry: Geometry, x: jax.Array, w: jax.Array) -> jax.Array:
    """C(x, w) as XLA knows it."""
    return lax.conv_general_dilated(
        x,
        w,
        (geometry.stride, geometry.stride),
        geometry.pads,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=geometry.groups,
    )


def input_gradient(geometry: Geometry, g: jax.Array, w: jax.Array) -> jax.Array:
    """T(g, w) as XLA knows it."""
    shape = jax.ShapeDtypeStruct(geometry.image_shape(g, w), g.dtype)
    return jax.linear_transpose(lambda x: forward(geometry, x, w), shape)(g)[0]


def weight_gradient(geometry: Geometry, x: jax.Array, g: jax.Array) -> jax.Array:
    """W(x, g) as XLA knows it."""
    shape = jax.ShapeDtypeStruct(geometry.kernel_shape(x, g), g.dtype)
    return jax.linear_transpose(lambda w: forward(geometry, x, w), shape)(g)[0]
