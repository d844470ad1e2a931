"""Which values dropout keeps, by a hash of their numbers: a tenth of the cost of bits from JAX's own generator.

JAX's generator (Threefry) is made for bits that pass every test of randomness; on a CPU it runs as a loop over whole
arrays, which for a graph network on sparse features costs more than all else. A hash of (key, number of the value)
is one pass without memory, and all that a network's noise needs: each key gives a mask that looks independent.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from mlr_jax.ops.hash import GOLDEN, mix


def dropout_mask(key: jax.Array, keep: jax.Array | float, shape: Sequence[int]) -> jax.Array:
    """Bits that are True with probability `keep`, independent for every practical purpose: bool of `shape`.

    Value i is kept where mix(mix(i g + k_0) + k_1) < 2^32 keep, with the key's last two words k and a mix in which
    each bit of input reaches each of output (the finalizer of MurmurHash3: Appleby, 2011).
    """
    words = jax.random.key_data(key).astype(jnp.uint32)
    number = jnp.arange(math.prod(shape), dtype=jnp.uint32) * jnp.uint32(GOLDEN)
    bits = mix(mix(number + words[..., -2]) + words[..., -1])
    threshold = jnp.asarray(2.0**24 * keep, jnp.int32)
    return ((bits >> 8).astype(jnp.int32) < threshold).reshape(shape)
