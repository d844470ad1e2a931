"""How near rows are to each other, as probabilities: the part of t-SNE that looks at the data (see `tsne.py`).

    p_j|i = exp(-beta_i |x_i - x_j|²) / sum_{k != i} exp(-beta_i |x_i - x_k|²),    p_ij = (p_j|i + p_i|j) / 2 N

Each beta_i is such that the entropy of p_.|i is the logarithm of the perplexity: every row has the same effective
number of neighbours, whether rows lie close around it or far apart.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical.kmeans_lloyd import centred
from mlr_jax.classical.rows import at_least_tiny

TOLERANCE = 1e-5
"""How near the entropy, in nats, has to come to its target."""

MAX_BISECTIONS = 64


class Affinities(NamedTuple):
    """The matrix P of p_ij [N, N], 0 on the diagonal and for rows that are not there, and whether a row is [N]."""

    joint: jax.Array
    is_present: jax.Array


def affinities_of(x: jax.Array, is_present: jax.Array, perplexity: jax.typing.ArrayLike, block: int) -> Affinities:
    """P of rows x [N, D]; `block` rows of it, a divisor of N, are computed at a time.

    A perplexity of N - 1 or more, which is out of reach, makes all rows equally near.
    """
    _, x = centred(x, is_present.astype(x.dtype))
    norms, target = jnp.sum(x**2, axis=1), jnp.log(jnp.asarray(perplexity, x.dtype))

    def of_block(index: jax.Array) -> jax.Array:
        rows = index * block + jnp.arange(block)
        distances = jnp.maximum(norms[rows][:, None] + norms[None] - 2.0 * x[rows] @ x.T, 0.0)
        is_other = is_present[None] & (rows[:, None] != jnp.arange(x.shape[0])[None])
        p = jax.vmap(conditional_probabilities, (0, 0, None))(distances, is_other, target)
        return jnp.where(is_present[rows][:, None], p, 0.0)

    conditional = lax.map(of_block, jnp.arange(x.shape[0] // block)).reshape(x.shape[0], x.shape[0])
    joint = (conditional + conditional.T) / (2.0 * at_least_tiny(jnp.sum(conditional)))
    return Affinities(joint, is_present)


def conditional_probabilities(distances: jax.Array, is_other: jax.Array, target: jax.Array) -> jax.Array:
    """p_.|i [N] of entropy `target` from squared distances [N] to the rows that are others [N]; beta by bisection."""
    nearest = jnp.min(jnp.where(is_other, distances, jnp.inf))
    distances = jnp.where(is_other, distances - nearest, 0.0)  # a common shift cancels, and no exponential underflows
    others = jnp.maximum(jnp.sum(is_other), 1)

    def kernel(beta: jax.Array) -> jax.Array:
        return jnp.where(is_other, jnp.exp(-beta * distances), 0.0)

    def entropy(beta: jax.Array) -> jax.Array:
        k = kernel(beta)
        total = jnp.sum(k)
        return jnp.log(total) + beta * jnp.sum(k * distances) / total

    def is_off(carry: tuple) -> jax.Array:
        *_, error, bisections = carry
        return (jnp.abs(error) > TOLERANCE) & (bisections < MAX_BISECTIONS)

    def bisect(carry: tuple) -> tuple:
        low, high, beta, error, bisections = carry
        low, high = jnp.where(error > 0, beta, low), jnp.where(error > 0, high, beta)
        beta = jnp.where(jnp.isinf(high), 2.0 * beta, 0.5 * (low + high))
        return low, high, beta, entropy(beta) - target, bisections + 1

    mean = jnp.sum(distances) / others
    beta = 1.0 / jnp.where(mean > 0, mean, 1.0)
    start = jnp.zeros_like(beta), jnp.full_like(beta, jnp.inf), beta, entropy(beta) - target, jnp.int32(0)
    k = kernel(lax.while_loop(is_off, bisect, start)[2])
    return k / at_least_tiny(jnp.sum(k))
