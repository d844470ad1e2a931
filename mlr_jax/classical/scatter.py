"""The mean of rows and their scatter matrix S = sum_n w_n (x_n - mean)(x_n - mean)', in one pass over the rows.

As sum w x x' - (sum w) mean mean' the matrix loses every digit by which the mean exceeds the spread. Here each block of
rows is shifted, while it is in the cache, by a guess s of the mean from some of the rows, and

    S = sum w (x - s)(x - s)' - (sum w) (mean - s)(mean - s)'

loses nothing, because mean - s is small beside the spread (Chan, Golub and LeVeque, 1983).
"""

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical.row_blocks import sum_over_blocks
from mlr_jax.classical.rows import at_least_tiny
from mlr_jax.core.collectives import data_sum

BLOCK = 4096
"""Rows that are shifted and multiplied at a time."""


def scatter(x: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Total weight [], mean [D] and scatter matrix [D, D] of x [N, D] with weight [N], over all devices."""
    some = slice(None, None, max(1, x.shape[0] // BLOCK))
    guess_total, guess_sum = data_sum((jnp.sum(weight[some]), weight[some] @ x[some]))
    shift = guess_sum / at_least_tiny(guess_total)

    half = x.shape[1] // 2

    def moments(x: jax.Array, weight: jax.Array) -> tuple:
        root = jnp.sqrt(weight)
        # Two halves of the columns: A'A, A'B and B'B are three quarters of the work of x'x, which is symmetric. The
        # barrier keeps them from being made again for each product.
        a, b = lax.optimization_barrier(
            (root[:, None] * (x[:, :half] - shift[None, :half]), root[:, None] * (x[:, half:] - shift[None, half:]))
        )
        return jnp.sum(weight), jnp.concatenate([root @ a, root @ b]), a.T @ a, a.T @ b, b.T @ b

    total, first, aa, ab, bb = data_sum(sum_over_blocks(moments, (x, weight), BLOCK))
    offset = first / at_least_tiny(total)
    return total, shift + offset, jnp.block([[aa, ab], [ab.T, bb]]) - total * offset[:, None] * offset[None]
