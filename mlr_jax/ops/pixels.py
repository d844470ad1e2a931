"""Pixels: bytes where they are stored, numbers in [0, 1] where they are computed with."""

import jax
import jax.numpy as jnp


def as_floats(x: jax.Array) -> jax.Array:
    """Images of bytes, 0 to 255, as float32 in [0, 1]; others as they are. Any shape."""
    return x.astype(jnp.float32) / 255 if x.dtype == jnp.uint8 else x
