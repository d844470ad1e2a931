"""The mean of rows and their scatter matrix S = sum_n w_n (x_n - mean)(x_n - mean)', in one pass over the rows.

As sum w x x' - (sum w) mean mean' the matrix loses every digit by which the mean exceeds the spread. Here each block of
rows is shifted, while it is in the cache, by a guess s of the mean from some of the rows, and

    S = sum w (x - s)(x - s)' - (sum w) (mean - s)(mean - s)'

loses nothing, because mean - s is small beside the spread (Chan, Golub and LeVeque, 1983).
"""

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical.kmeans_lloyd import at_least_tiny
from mlr_jax.classical.row_blocks import sum_over_blocks
from mlr_jax.core.collectives import data_sum

BLOCK = 4096
"""Rows that are shifted and multiplied at a time."""


def scatter(x: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Total weight [], mean [D] and scatter matrix [D, D] of x [N, D] with weight [N], over all devices."""
    some = slice(None, None, max(1, x.shape[0] // BLOCK))
    guess_total, guess_sum = data_sum((jnp.sum(weight[some]), weight[some] @ x[some]))
    shift = guess_sum / at_least_tiny(guess_total)

    def moments(x: jax.Array, weight: jax.Array) -> tuple:
        shifted = x - shift[None]
        return jnp.sum(weight), weight @ shifted, *_products(jnp.sqrt(weight)[:, None] * shifted)

    total, first, aa, ab, bb = data_sum(sum_over_blocks(moments, (x, weight), BLOCK))
    offset = first / at_least_tiny(total)
    return total, shift + offset, jnp.block([[aa, ab], [ab.T, bb]]) - total * offset[:, None] * offset[None]


def _products(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """A'A, A'B and B'B of the left half A and the right half B of x [R, D]: three quarters of the work of x'x.

    In four groups of rows, which a CPU multiplies side by side: for 50,000 x 256, 42 ms instead of 50 for x'x.
    """
    groups = x.reshape(4 if x.shape[0] % 4 == 0 else 1, -1, x.shape[1])
    # Without the barrier each half would be cut out again for each product.
    a, b = (lax.optimization_barrier(half) for half in jnp.split(groups, [x.shape[1] // 2], axis=2))
    aa, ab, bb = (jnp.einsum("grd,gre->gde", *pair) for pair in ((a, a), (a, b), (b, b)))
    return jnp.sum(aa, axis=0), jnp.sum(ab, axis=0), jnp.sum(bb, axis=0)
