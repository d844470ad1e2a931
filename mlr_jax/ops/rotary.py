"""Rotary positions: pairs of coordinates turned by angles that grow with the position (Su et al., 2021, "RoFormer")."""

import jax
import jax.numpy as jnp


def rotate(x_BxLxHxd: jax.Array, position_BxL: jax.Array, base: float = 10_000.0) -> jax.Array:
    """(x_i, x_{i + d/2}) turned by position * base^(-2 i / d): then q k' depends on the distance of positions alone.

    position [B or 1, L]. Raises ValueError for an odd d.
    """
    size = x_BxLxHxd.shape[-1]
    if size % 2:
        raise ValueError(f"rotary positions: got heads of {size} coordinates, must be even")
    rates = base ** (-jnp.arange(0, size, 2, dtype=jnp.float32) / size)
    angles = position_BxL[..., None, None].astype(jnp.float32) * rates.reshape(1, 1, 1, -1)
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    first, second = jnp.split(x_BxLxHxd.astype(jnp.float32), 2, axis=-1)
    turned = jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
    return turned.astype(x_BxLxHxd.dtype)
