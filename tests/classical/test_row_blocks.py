"""Sums over blocks of rows beside the sum over all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.classical.row_blocks import sum_over_blocks


@pytest.mark.parametrize("rows", [1, 4, 5, 8, 11])
def test_every_row_is_added_once_whatever_the_block(rows):
    x, weight = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2), np.arange(rows, dtype=np.float32)
    sums = jax.jit(lambda *rows: sum_over_blocks(lambda x, w: {"wx": w @ x, "w": jnp.sum(w)}, rows, 4))(x, weight)
    np.testing.assert_allclose(sums["wx"], weight @ x)
    np.testing.assert_allclose(sums["w"], weight.sum())


def test_no_more_than_a_block_of_what_is_made_exists_at_a_time():
    def outer(x):
        return jnp.sum(x[:, :, None] * x[:, None], axis=0)

    x = np.ones((4096, 32), np.float32)
    blocked = jax.jit(lambda x: sum_over_blocks(outer, (x,), 64)).lower(x).compile()
    assert blocked.memory_analysis().temp_size_in_bytes < 4096 * 32 * 32 * 4 / 10
