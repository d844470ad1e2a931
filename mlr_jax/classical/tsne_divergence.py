"""What t-SNE minimises, KL(P || Q), and its gradient, a block of rows at a time (see `tsne.py`)."""

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical.kmeans_lloyd import at_least_tiny
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
        rows, p, rows_present = block
        b = 1.0 / (1.0 + _squared_distances(rows, points) / freedom)
        k = _kernel(b, freedom)
        return pull(p * b, rows), pull(k * b, rows), jnp.sum(rows_present * (k @ present))

    blocks = _blocks((points, joint, present), block)
    attraction, repulsion, totals = lax.map(of_block, blocks)
    normalizer = at_least_tiny(jnp.sum(totals) - jnp.sum(present))  # of pairs: k_ii is 1
    forces = exaggeration * attraction - repulsion / normalizer
    return 2.0 * (freedom + 1) / freedom * forces.reshape(points.shape) * present


def divergences(points: jax.Array, affinities: Affinities, block: int) -> jax.Array:
    """sum_j p_ij log(p_ij / q_ij) of each row [N]; they add up to KL(P || Q)."""
    joint, present, freedom = affinities.joint, affinities.is_present.astype(points.dtype)[:, None], _freedom(points)

    def of_block(block: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        rows, p, rows_present = block
        b = 1.0 / (1.0 + _squared_distances(rows, points) / freedom)
        log_ratio = jnp.log(jnp.where(p > 0, p, 1.0)) - 0.5 * (freedom + 1) * jnp.log(b)
        total = jnp.sum(rows_present * (_kernel(b, freedom) @ present))
        return jnp.sum(p * log_ratio, axis=1), total

    of_rows, totals = lax.map(of_block, _blocks((points, joint, present), block))
    normalizer = at_least_tiny(jnp.sum(totals) - jnp.sum(present))
    return of_rows.reshape(-1) + jnp.sum(joint, axis=1) * jnp.log(normalizer)


def _blocks(rows: tuple[jax.Array, ...], block: int) -> tuple[jax.Array, ...]:
    return tuple(leaf.reshape(-1, block, leaf.shape[1]) for leaf in rows)


def _squared_distances(rows: jax.Array, points: jax.Array) -> jax.Array:
    columns = range(points.shape[1])
    return sum((jnp.square(rows[:, c][:, None] - points[:, c][None]) for c in columns), jnp.zeros((), points.dtype))


def _freedom(points: jax.Array) -> int:
    return max(points.shape[1] - 1, 1)


def _kernel(b: jax.Array, freedom: int) -> jax.Array:
    return b if freedom == 1 else b ** (0.5 * (freedom + 1))
