"""Growing a tree, level by level: find the best split of every open node, and send the rows on."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical.binning import Binned, Bins, midpoint
from mlr_jax.classical.histogram import Sums
from mlr_jax.classical.tree_criteria import Criterion
from mlr_jax.classical.tree_search import Candidates, Search, find_splits
from mlr_jax.classical.tree_split import Split
from mlr_jax.classical.tree_structure import Tree, lone_root
from mlr_jax.core.collectives import data_sum

LEVELS = 3
"""So many levels share a loop, whose arrays have room for the nodes of the lowest: each loop is compiled anew."""


def grow(
    binned: Binned, sums: Sums, criterion: Criterion, *, max_depth: int, candidates: Candidates | None = None
) -> tuple[Tree, jax.Array]:
    """A tree whose values are the statistics of its nodes, [2**(max_depth + 1) - 1, C], and the node of each row [N].

    sums: the statistics of the rows. candidates: the features that the nodes of a level may use, all by default.
    The gain of a node is as the criterion states it.
    """
    search = Search(binned, sums, criterion, candidates)
    position = jnp.zeros(binned.codes.shape[1], jnp.int32)
    statistics = jax.eval_shape(lambda: sums(position, 1))
    growth = lone_root(max_depth, statistics.shape[1:], statistics.dtype), position
    for start in range(0, max_depth, LEVELS):
        stop = min(start + LEVELS, max_depth)
        growth = lax.fori_loop(start, stop, partial(_add_level, search, 2 ** (stop - 1)), growth)
    tree, position = growth
    leaf = position - (2**max_depth - 1)
    of_leaves = data_sum(sums(jnp.where(leaf >= 0, leaf, 2**max_depth), 2**max_depth))
    return tree._replace(value=tree.value.at[-(2**max_depth) :].set(of_leaves)), position


def _add_level(search: Search, room: int, level: jax.Array, growth: tuple[Tree, jax.Array]) -> tuple[Tree, jax.Array]:
    """Split the 2**level nodes of a level; `room` is the length of arrays for its nodes."""
    (tree, position), (codes, bins) = growth, search.binned
    max_bins = bins.least.shape[1]
    num_nodes = jnp.left_shift(1, level)
    place = jnp.arange(room)
    heap = jnp.where(place < num_nodes, num_nodes - 1 + place, tree.value.shape[0])
    node = jnp.where(position >= num_nodes - 1, position - (num_nodes - 1), room)  # none, where rows stopped above
    statistics = data_sum(search.sums(node, room))
    is_reached = (heap == 0) | (tree.feature.at[(heap - 1) // 2].get(mode="fill", fill_value=-1) >= 0)
    is_open = is_reached & search.criterion.is_mixed(statistics.T)
    split = find_splits(search, node, is_open, level)
    is_open &= (split.gain > -jnp.inf) & (split.gain >= search.criterion.least_gain)
    feature = jnp.where(is_open, split.feature, -1)

    def write(every: jax.Array, new: jax.Array) -> jax.Array:
        return every.at[heap].set(new, mode="drop")

    tree = Tree(
        feature=write(tree.feature, feature),
        threshold=write(tree.threshold, jnp.where(is_open, _threshold(bins, split), 0)),
        missing_left=write(tree.missing_left, is_open & split.missing_left),
        gain=write(tree.gain, jnp.where(is_open, split.gain, 0)),
        value=write(tree.value, statistics),
    )
    return tree, _send(codes, position, node, split._replace(feature=feature), missing=max_bins)


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
