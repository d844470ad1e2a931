"""The search for splits among the open nodes of a level, as many nodes in one pass over the rows as pays.

A level has 2**level nodes, but deep down few of them are open. Where histograms of all would be large, a pass is made
for a group of open nodes, and there are no more passes than these need.
"""

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

Candidates = Callable[[jax.Array, int], jax.Array]
"""The number of a level [], M -> the features by which each of its nodes may be split, [J, M]."""

SMALL_TABLE = 1 << 21
"""Histograms of so many numbers stay in a cache."""


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
    (codes, bins), num_nodes = search.binned, is_open.shape[0]
    candidates = search.candidates and search.candidates(level, num_nodes)
    num_features = codes.shape[0] if candidates is None else candidates.shape[0]
    num_statistics = jax.eval_shape(lambda: search.sums(node, 1)).shape[1]
    table = max(SMALL_TABLE, num_features * codes.shape[1])  # at least as large as what is read to fill it
    at_once = max(1, table // ((bins.least.shape[1] + 1) * num_statistics * num_features))
    if num_nodes <= at_once:
        return _splits_of(search, node, candidates, num_nodes)
    open_nodes = jnp.nonzero(is_open, size=num_nodes + at_once, fill_value=num_nodes + 1)[0]

    def add_group(group: jax.Array, splits: Split) -> Split:
        nodes = lax.dynamic_slice(open_nodes, (group * at_once,), (at_once,))
        place = jnp.full(num_nodes + 1, at_once).at[nodes].set(jnp.arange(at_once), mode="drop")
        of_group = None if candidates is None else candidates.at[:, nodes].get(mode="clip")
        found = _splits_of(search, place[node], of_group, at_once)
        return jax.tree.map(lambda every, new: every.at[nodes].set(new, mode="drop"), splits, found)

    shapes = jax.eval_shape(lambda: _splits_of(search, node, candidates, num_nodes))
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return lax.fori_loop(0, (jnp.sum(is_open) + at_once - 1) // at_once, add_group, nothing)


def _splits_of(search: Search, node: jax.Array, candidates: jax.Array | None, num_nodes: int) -> Split:
    codes, bins = search.binned
    seen = codes if candidates is None else _codes_of_candidates(codes, candidates, node)
    counts = histograms(search.sums, seen, node, num_nodes=num_nodes, num_codes=bins.least.shape[1] + 1)
    split = best_splits(data_sum(counts), search.criterion)
    if candidates is None:
        return split
    return split._replace(feature=jnp.take_along_axis(candidates, split.feature[None], axis=0)[0])


def _codes_of_candidates(codes: jax.Array, candidates: jax.Array, node: jax.Array) -> jax.Array:
    """The code of each row for the features that its own node may use: codes [D, N], candidates [J, M] -> [J, N]."""
    rows = jnp.arange(codes.shape[1])
    return lax.map(lambda features: codes[features[node], rows], candidates)
