"""What t-SNE minimises, KL(P || Q), and its gradient, a block of rows at a time (see `tsne.py`)."""

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical.rows import at_least_tiny
from mlr_jax.classical.tsne_affinities import Affinities


def gradient_of(
    points: jax.Array, affinities: Affinities, block: int, exaggeration: jax.typing.ArrayLike = 1.0
) -> jax.Array:
    """The gradient of KL(exaggeration P || Q) as if P still summed to one: points [N, Q] -> [N, Q].

    With b_ij = 1 / (1 + |y_i - y_j|² / v), sums a_ij (y_i - y_j) over j are y_i (a 1)_i - (a y)_i: one product.
    """
    joint, present, freedom = affinities.joint, affinities.is_present.astype(points.dtype)[:, None], _freedom(points)
    with_ones = present * jnp.concatenate([points, jnp.ones_like(present)], axis=1)

    def pull(a: jax.Array, rows: jax.Array) -> jax.Array:
        sums = a @ with_ones
        return sums[:, -1:] * rows - sums[:, :-1]

    def of_block(block: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        index, rows, p, rows_present = block
        b = _nearness(points, index, rows, freedom)
        k = _kernel(b, freedom)
        return pull(p * b, rows), pull(k * b, rows), jnp.sum(rows_present * (k @ present))

    attraction, repulsion, totals = lax.map(of_block, _blocks((points, joint, present), block))
    forces = exaggeration * attraction - repulsion / at_least_tiny(jnp.sum(totals))
    return 2.0 * (freedom + 1) / freedom * forces.reshape(points.shape) * present


def divergences(points: jax.Array, affinities: Affinities, block: int) -> jax.Array:
    """sum_j p_ij log(p_ij / q_ij) of each row [N]; they add up to KL(P || Q)."""
    joint, present, freedom = affinities.joint, affinities.is_present.astype(points.dtype)[:, None], _freedom(points)

    def of_block(block: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        index, rows, p, rows_present = block
        k = _kernel(_nearness(points, index, rows, freedom), freedom)
        log_ratio = jnp.log(jnp.where(p > 0, p / k, 1.0))
        return jnp.sum(p * log_ratio, axis=1), jnp.sum(rows_present * (k @ present))

    of_rows, totals = lax.map(of_block, _blocks((points, joint, present), block))
    return of_rows.reshape(-1) + jnp.sum(joint, axis=1) * jnp.log(at_least_tiny(jnp.sum(totals)))


def _blocks(rows: tuple[jax.Array, ...], block: int) -> tuple[jax.Array, ...]:
    index = jnp.arange(rows[0].shape[0], dtype=jnp.int32)
    return index.reshape(-1, block), *(leaf.reshape(-1, block, leaf.shape[1]) for leaf in rows)


def _nearness(points: jax.Array, index: jax.Array, rows: jax.Array, freedom: int) -> jax.Array:
    """b_ij of a block of rows [B, Q] and all points [N, Q]: [B, N], 0 for a row and itself.

    Left in, the row itself, which is nearest and pulls at nothing, would take digits from all the others.
    """
    columns = range(points.shape[1])
    squares = sum((jnp.square(rows[:, c][:, None] - points[:, c][None]) for c in columns), jnp.zeros((), points.dtype))
    is_self = index[:, None] == jnp.arange(points.shape[0], dtype=jnp.int32)[None]
    return jnp.where(is_self, 0.0, 1.0 / (1.0 + squares / freedom))


def _freedom(points: jax.Array) -> int:
    return max(points.shape[1] - 1, 1)


def _kernel(b: jax.Array, freedom: int) -> jax.Array:
    return b if freedom == 1 else b ** (0.5 * (freedom + 1))
