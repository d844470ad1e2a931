"""Distances of two examples, and of every pair of two blocks of examples."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

Metric = Callable[[jax.Array, jax.Array], jax.Array]
"""The distance of two examples: x [D], z [D] -> []."""


def squared_euclidean(x: jax.Array, z: jax.Array) -> jax.Array:
    """sum_d (x_d - z_d)^2: x [D], z [D], returns []."""
    return jnp.sum(jnp.square(x - z))


def euclidean(x: jax.Array, z: jax.Array) -> jax.Array:
    """sqrt(sum_d (x_d - z_d)^2): x [D], z [D], returns []. Its gradient where x = z is taken as 0."""
    squared = squared_euclidean(x, z)
    apart = squared > 0
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, squared, 1)), 0)


def manhattan(x: jax.Array, z: jax.Array) -> jax.Array:
    """sum_d |x_d - z_d|: x [D], z [D], returns []."""
    return jnp.sum(jnp.abs(x - z))


def pairwise(metric: Metric, x: jax.Array, z: jax.Array) -> jax.Array:
    """metric(x_n, z_m) for every pair: x [N, D], z [M, D], returns [N, M]; nothing of shape [N, M, D] is stored."""
    return jax.vmap(lambda x_n: jax.vmap(lambda z_m: metric(x_n, z_m))(z))(x)


def pairwise_squared_euclidean(x: jax.Array, z: jax.Array) -> jax.Array:
    """|x_n|^2 + |z_m|^2 - 2 x_n . z_m for every pair: x [N, D], z [M, D], returns [N, M].

    One matrix product, many times faster than the differences. Its rounding error is of the size of eps (|x_n|^2 +
    |z_m|^2), so subtract a common centre from both blocks first. Rounding below zero is cut off.
    """
    squares = jnp.sum(jnp.square(x), axis=-1)[:, None] + jnp.sum(jnp.square(z), axis=-1)[None]
    return jnp.maximum(squares - 2 * (x @ z.T), 0)
