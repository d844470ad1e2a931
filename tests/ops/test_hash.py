"""The hash of words."""

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.ops.hash import mix


def test_different_words_stay_different():
    words = jnp.arange(1 << 16, dtype=jnp.uint32) * jnp.uint32(65537)
    assert len(np.unique(mix(words))) == 1 << 16


def test_every_input_bit_flips_every_output_bit_half_the_time():
    words = jax.random.bits(jax.random.key(0), (4000,), jnp.uint32)
    for bit in range(32):
        changed = np.asarray(mix(words) ^ mix(words ^ jnp.uint32(1 << bit)))
        shares = [(changed >> place & 1).mean() for place in range(32)]
        np.testing.assert_allclose(shares, 0.5, atol=0.05)
