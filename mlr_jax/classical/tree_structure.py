"""A grown tree as arrays, and the way of a row through it.

Nodes are numbered as in a heap: the root is 0 and the children of node i are 2 i + 1 and 2 i + 2. So all trees of one
depth have the same shape and can be stacked, vmapped and scanned; nodes that were never reached cost memory alone.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Tree(NamedTuple):
    """A tree of depth d: what the 2**d - 1 inner nodes ask, and what all 2**(d + 1) - 1 nodes answer.

    feature:      the column that is asked for, -1 where the node is not split
    threshold:    rows with x <= threshold go to the left
    missing_left: whether rows without a value do
    gain:         the decrease of the objective by the split, as a share of the weight of all rows
    value:        the prediction of a row that stops here, [2**(d + 1) - 1, ...]
    """

    feature: jax.Array
    threshold: jax.Array
    missing_left: jax.Array
    gain: jax.Array
    value: jax.Array


def lone_root(depth: int, of_value: tuple[int, ...], dtype: jnp.dtype) -> Tree:
    """A tree that asks nothing and answers 0, with room for `depth` levels; each value has the shape `of_value`."""
    inner = 2**depth - 1
    return Tree(
        feature=jnp.full(inner, -1, jnp.int32),
        threshold=jnp.zeros(inner, dtype),
        missing_left=jnp.zeros(inner, bool),
        gain=jnp.zeros(inner, dtype),
        value=jnp.zeros((2 ** (depth + 1) - 1, *of_value), dtype),
    )


def depth_of(tree: Tree) -> int:
    """d."""
    return tree.feature.shape[-1].bit_length()


def apply(tree: Tree, x: jax.Array) -> jax.Array:
    """The node at which each row stops: x [N, D] -> [N], int32."""
    node = jnp.zeros(x.shape[0], jnp.int32)
    for _ in range(depth_of(tree)):
        feature = tree.feature[node]
        value = jnp.take_along_axis(x, jnp.maximum(feature, 0)[:, None], axis=1)[:, 0]
        goes_right = jnp.where(jnp.isnan(value), ~tree.missing_left[node], value > tree.threshold[node])
        node = jnp.where(feature >= 0, 2 * node + 1 + goes_right, node)
    return node


def values_at(tree: Tree, x: jax.Array) -> jax.Array:
    """The value of the node at which each row stops: x [N, D] -> [N, ...]."""
    return tree.value[apply(tree, x)]


def importances(tree: Tree, num_features: int) -> jax.Array:
    """The gain of all splits by each feature, as shares of one (or zeros for a lone root): [num_features]."""
    totals = (
        jnp.zeros(num_features, tree.gain.dtype)
        .at[tree.feature]
        .add(jnp.where(tree.feature >= 0, tree.gain, 0), mode="drop")
    )
    return totals / jnp.maximum(jnp.sum(totals), jnp.finfo(totals.dtype).tiny)
