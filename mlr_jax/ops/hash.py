"""A hash of 32-bit words: random bits by number, in one pass without memory, where a generator would cost more."""

import jax
import jax.numpy as jnp

GOLDEN = 0x9E3779B9
"""2^32 divided by the golden ratio: its multiples are spread over all words (Knuth, 1973)."""


def mix(x: jax.Array) -> jax.Array:
    """A bijection of uint32 in which every input bit reaches every output bit (MurmurHash3's: Appleby, 2011)."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)
