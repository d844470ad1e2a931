"""Ranks of numbers, equal numbers sharing one, and the mass that lies on each rank: what ranking metrics are made of.

XLA:CPU sorts whole numbers with one operand many times faster than floats or pairs. So values are sorted as integers in
the same order, ranks are found by searching, and weights follow by a sum over equal ranks, not by being sorted along.
"""

import jax
import jax.numpy as jnp
from jax import lax


def order_key(values: jax.Array) -> jax.Array:
    """Signed integers of the same order: float values [...] -> int32 or int64 [...]; both zeros are equal.

    The bits of a positive float, read as an integer, grow with it; those of a negative one fall, so they are flipped.
    """
    values = values.astype(jnp.promote_types(values.dtype, jnp.float32))
    integer = jnp.int64 if values.dtype == jnp.float64 else jnp.int32
    bits = lax.bitcast_convert_type(jnp.where(values == 0, 0, values), integer)
    return jnp.where(bits < 0, bits ^ jnp.iinfo(integer).max, bits)


def sorted_with_ranks(values: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Values [N] in ascending order, and of each value the number of lesser ones: [N] and [N] int32."""
    keys = order_key(values)
    ascending = jnp.sort(keys)
    ranks = jnp.searchsorted(ascending, keys).astype(jnp.int32)
    bits = jnp.where(ascending < 0, ascending ^ jnp.iinfo(ascending.dtype).max, ascending)
    return lax.bitcast_convert_type(bits, jnp.float64 if bits.dtype == jnp.int64 else jnp.float32), ranks


def mass_by_rank(ranks: jax.Array, weight: jax.Array) -> jax.Array:
    """The weight that lies on each rank: ranks [N] int, weight [N] -> [N]."""
    return jnp.zeros_like(weight).at[ranks].add(weight, mode="promise_in_bounds")
