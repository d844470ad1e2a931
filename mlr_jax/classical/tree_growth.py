"""Growing a tree, level by level: find the best split of every open node, and send the rows on."""

import jax
import jax.numpy as jnp

from mlr_jax.classical.binning import Binned, Bins, midpoint
from mlr_jax.classical.histogram import Sums
from mlr_jax.classical.tree_criteria import Criterion
from mlr_jax.classical.tree_search import Candidates, find_splits
from mlr_jax.classical.tree_split import Split
from mlr_jax.classical.tree_structure import Tree
from mlr_jax.core.collectives import data_sum


def grow(
    binned: Binned, sums: Sums, criterion: Criterion, *, max_depth: int, candidates: Candidates | None = None
) -> tuple[Tree, jax.Array]:
    """A tree whose values are the statistics of its nodes, [2**(max_depth + 1) - 1, C], and the node of each row [N].

    sums: the statistics of the rows. candidates: the features that the nodes of a level may use, all by default.
    The gain of a node is as the criterion states it.
    """
    codes, bins = binned
    max_bins = bins.least.shape[1]
    position = jnp.zeros(codes.shape[1], jnp.int32)
    is_open = jnp.ones(1, bool)
    levels = []
    for level in range(max_depth):
        node, statistics = _nodes_of_level(sums, position, level)
        is_open &= criterion.is_mixed(statistics.T)
        allowed = None if candidates is None else candidates(level)
        split = find_splits(codes, node, is_open, allowed, sums=sums, criterion=criterion, max_bins=max_bins)
        is_open &= (split.gain > -jnp.inf) & (split.gain >= criterion.least_gain)
        split = split._replace(feature=jnp.where(is_open, split.feature, -1), gain=jnp.where(is_open, split.gain, 0))
        position = _send(codes, position, node, split, missing=max_bins)
        levels.append((split.feature, _threshold(bins, split), split.missing_left, split.gain, statistics))
        is_open = jnp.repeat(is_open, 2)
    feature, threshold, missing_left, gain, values = (jnp.concatenate(parts) for parts in zip(*levels, strict=True))
    _, of_leaves = _nodes_of_level(sums, position, max_depth)
    return Tree(feature, threshold, missing_left, gain, jnp.concatenate([values, of_leaves])), position


def _nodes_of_level(sums: Sums, position: jax.Array, level: int) -> tuple[jax.Array, jax.Array]:
    """Which of the level's 2**level nodes each row is in [N], 2**level where it stopped above; their statistics."""
    num_nodes, first = 2**level, 2**level - 1
    node = jnp.where(position >= first, position - first, num_nodes)
    return node, data_sum(sums(node, num_nodes))


def _threshold(bins: Bins, split: Split) -> jax.Array:
    """Half way between the values on both sides of the cut; infinite where only missing values are beyond it."""
    low = bins.greatest[split.feature, split.cut]
    high = bins.least.at[split.feature, split.beyond].get(mode="fill", fill_value=jnp.inf)
    return jnp.where(split.beyond == bins.least.shape[1], jnp.inf, midpoint(low, high))


def _send(codes: jax.Array, position: jax.Array, node: jax.Array, split: Split, *, missing: int) -> jax.Array:
    """The position of each row after the level; rows of nodes that are not split (feature -1) stay."""
    feature = split.feature.at[node].get(mode="fill", fill_value=-1)
    code = codes[feature, jnp.arange(codes.shape[1])]
    goes_right = jnp.where(code == missing, ~split.missing_left[node], code > split.cut[node])
    return jnp.where(feature >= 0, 2 * position + 1 + goes_right, position)
