"""A random order that is computed one index at a time, without ever holding or sorting it."""

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.ops.hash import GOLDEN, mix

ROUNDS, UNROLLED = 24, 4


def permute(key: jax.Array, epoch: jax.Array, index: jax.Array, size: int) -> jax.Array:
    """pi_epoch(index): the value of a pseudo-random permutation of 0 .. size - 1 at each index.

    The "swap or not" shuffle (Hoang, Morris & Rogaway, 2012): in round r the involution x -> K_r - x (mod size) pairs
    the indices, and a bit of a hash that both of a pair share decides whether they change places. Each round is a
    permutation, so their composition is one, for any size; its cost does not depend on the size.

    epoch and index are int32 and broadcast together; returns their shape, int32. Different keys and epochs give
    different permutations. Raises ValueError for a size outside 1 .. 2**31 - 1.
    """
    if not 1 <= size < 2**31:
        raise ValueError(f"size: got {size}, allowed are 1 to {2**31 - 1}")
    if size == 1:  # its arithmetic modulo 1 is more than the compiler can simplify
        return jnp.zeros(jnp.broadcast_shapes(epoch.shape, index.shape), jnp.int32)
    words = jax.random.key_data(key).astype(jnp.uint32)
    salt = mix(words[..., -2] ^ mix(words[..., -1] ^ mix(epoch.astype(jnp.uint32))))
    words_of_rounds = jnp.arange(ROUNDS, dtype=jnp.uint32) * jnp.uint32(GOLDEN)

    def swap_or_not(x: jax.Array, word: jax.Array) -> tuple[jax.Array, None]:
        round_salt = mix(salt + word)
        pivot = round_salt % jnp.uint32(size)
        partner = jnp.where(pivot >= x, pivot - x, pivot + jnp.uint32(size) - x)
        swaps = mix(jnp.maximum(x, partner) ^ mix(round_salt)) & 1
        return jnp.where(swaps == 1, partner, x), None

    x = jnp.broadcast_to(index, jnp.broadcast_shapes(epoch.shape, index.shape)).astype(jnp.uint32)
    # A loop: with all rounds in one expression, a compiler that follows every use of x visits 5^24 of them.
    x, _ = lax.scan(swap_or_not, x, words_of_rounds, unroll=UNROLLED)
    return x.astype(jnp.int32)
