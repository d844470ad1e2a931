"""The search for splits among the open nodes of a level, as many nodes in one pass over the rows as pays.

A level has 2**level nodes, but deep down few of them are open. Where there are few rows beside the cuts to try, a pass
is made for a group of open nodes, and there are no more passes than these need. Histograms are made for a block of
features at a time, so that they stay in the cache.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical.binning import Binned
from mlr_jax.classical.histogram import Sums, histograms
from mlr_jax.classical.tree_criteria import Criterion
from mlr_jax.classical.tree_split import Split, best_splits
from mlr_jax.core.collectives import data_sum

Candidates = Callable[[jax.Array, jax.Array], jax.Array]
"""The number of a level [], some of its nodes [M] -> the features by which each of these may be split, [J, M]."""

SMALL_TABLE = 1 << 21
"""Histograms of so many numbers stay in a cache."""

CUTS_PER_ROW = 8
"""A pass is made for so many nodes that it tries so many cuts for each row that it reads."""


class Search(NamedTuple):
    """Rows, the sums of their statistics, what is a good split, and between which features a node chooses (or all)."""

    binned: Binned
    sums: Sums
    criterion: Criterion
    candidates: Candidates | None


def find_splits(search: Search, node: jax.Array, is_open: jax.Array, level: jax.Array) -> Split:
    """The best split of each of M nodes of a level that is open, [M].

    node [N], the node of each row and M for rows of none; is_open [M].
    """
    num_nodes = is_open.shape[0]
    at_once = max(1, CUTS_PER_ROW * node.shape[0] // _numbers_per_feature(search, node))
    if num_nodes <= at_once:
        return _splits_of(search, node, jnp.arange(num_nodes), level)
    open_nodes = jnp.nonzero(is_open, size=num_nodes + at_once, fill_value=num_nodes + 1)[0]

    def add_group(group: jax.Array, splits: Split) -> Split:
        nodes = lax.dynamic_slice(open_nodes, (group * at_once,), (at_once,))
        place = jnp.full(num_nodes + 1, at_once).at[nodes].set(jnp.arange(at_once), mode="drop")
        found = _splits_of(search, place[node], nodes, level)
        return jax.tree.map(lambda every, new: every.at[nodes].set(new, mode="drop"), splits, found)

    shapes = jax.eval_shape(lambda: _splits_of(search, node, jnp.arange(num_nodes), level))
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return lax.fori_loop(0, (jnp.sum(is_open) + at_once - 1) // at_once, add_group, nothing)


def _numbers_per_feature(search: Search, node: jax.Array) -> int:
    """How many numbers the histogram of one feature in one node has."""
    return (search.binned.bins.least.shape[1] + 1) * jax.eval_shape(lambda: search.sums(node, 1)).shape[1]


def _splits_of(search: Search, node: jax.Array, nodes: jax.Array, level: jax.Array) -> Split:
    """The best splits of these nodes; node [N] is the place of each row's node among them."""
    codes, _ = search.binned
    if search.candidates is None:
        return _best_of_features(search, codes, node, nodes.shape[0])
    candidates = search.candidates(level, nodes)
    split = _best_of_features(search, _codes_of_candidates(codes, candidates, node), node, nodes.shape[0])
    return split._replace(feature=jnp.take_along_axis(candidates, split.feature[None], axis=0)[0])


def _best_of_features(search: Search, codes: jax.Array, node: jax.Array, num_nodes: int) -> Split:
    """The best splits by the features of codes [J, N], a block of features at a time."""
    num_features, num_codes = codes.shape[0], search.binned.bins.least.shape[1] + 1
    most = max(1, SMALL_TABLE // (_numbers_per_feature(search, node) * num_nodes))
    block = math.ceil(num_features / math.ceil(num_features / most))  # blocks of one size overlap least

    def of_block(start: jax.typing.ArrayLike) -> Split:
        seen = lax.dynamic_slice_in_dim(codes, start, block)
        counts = histograms(search.sums, seen, node, num_nodes=num_nodes, num_codes=num_codes)
        split = best_splits(data_sum(counts), search.criterion)
        return split._replace(feature=split.feature + start)

    def keep_better(best: Split, start: jax.Array) -> tuple[Split, None]:
        found = of_block(start)
        return jax.tree.map(lambda new, old: jnp.where(found.gain > best.gain, new, old), found, best), None

    if block == num_features:
        return of_block(0)
    starts = jnp.minimum(jnp.arange(block, num_features, block), num_features - block)
    return lax.scan(keep_better, of_block(0), starts)[0]


def _codes_of_candidates(codes: jax.Array, candidates: jax.Array, node: jax.Array) -> jax.Array:
    """The code of each row for the features that its own node may use: codes [D, N], candidates [J, M] -> [J, N]."""
    rows = jnp.arange(codes.shape[1])
    return lax.map(lambda features: codes[features[node], rows], candidates)
