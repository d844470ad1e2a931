"""Sums over rows taken a block at a time, so that what is made of a block stays in the cache and memory is bounded."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def sum_over_blocks(function: Callable[..., Any], rows: tuple[jax.Array, ...], block: int) -> Any:
    """sum_b function(*rows of block b), leaf by leaf: rows are arrays [N, ...], the first block may be shorter."""
    num_rows = rows[0].shape[0]
    first = (num_rows - 1) % block + 1

    def of_block(start: jax.typing.ArrayLike, size: int) -> Any:
        return function(*(lax.dynamic_slice_in_dim(leaf, start, size) for leaf in rows))

    def add(index: jax.Array, sums: Any) -> Any:
        return jax.tree.map(jnp.add, sums, of_block(first + index * block, block))

    if num_rows == first:
        return function(*rows)
    return lax.fori_loop(0, (num_rows - first) // block, add, of_block(0, first))
