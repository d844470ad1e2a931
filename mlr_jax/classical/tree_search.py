"""The search for splits among the open nodes of a level, as many nodes in one pass over the rows as pays.

A level has 2**level nodes, but deep down few of them are open. Where histograms of all would be large, a pass is made
for a group of open nodes, and there are no more passes than these need.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical.histogram import Sums, histograms
from mlr_jax.classical.tree_criteria import Criterion
from mlr_jax.classical.tree_split import Split, best_splits
from mlr_jax.core.collectives import data_sum

Candidates = Callable[[int], jax.Array]
"""The number of a level -> the features by which its nodes may be split, [J, 2**level]."""

SMALL_TABLE = 1 << 21
"""Histograms of so many numbers stay in a cache."""


def find_splits(
    codes: jax.Array,
    node: jax.Array,
    is_open: jax.Array,
    candidates: jax.Array | None,
    *,
    sums: Sums,
    criterion: Criterion,
    max_bins: int,
) -> Split:
    """The best split of each of M nodes that is open, by any feature or by the node's candidates [J, M].

    codes [D, N]; node [N], the node of each row and M for rows of none; is_open [M].
    """
    num_nodes = is_open.shape[0]
    splits_of = partial(_splits_of, codes, sums=sums, criterion=criterion, max_bins=max_bins)
    num_features = codes.shape[0] if candidates is None else candidates.shape[0]
    num_statistics = jax.eval_shape(lambda: sums(node, 1)).shape[1]
    table = max(SMALL_TABLE, num_features * codes.shape[1])  # at least as large as what is read to fill it
    at_once = max(1, table // ((max_bins + 1) * num_statistics * num_features))
    if num_nodes <= at_once:
        return splits_of(node, candidates, num_nodes=num_nodes)
    open_nodes = jnp.nonzero(is_open, size=num_nodes + at_once, fill_value=num_nodes + 1)[0]

    def add_group(group: jax.Array, splits: Split) -> Split:
        nodes = lax.dynamic_slice(open_nodes, (group * at_once,), (at_once,))
        place = jnp.full(num_nodes + 1, at_once).at[nodes].set(jnp.arange(at_once), mode="drop")
        of_group = None if candidates is None else candidates.at[:, nodes].get(mode="clip")
        found = splits_of(place[node], of_group, num_nodes=at_once)
        return jax.tree.map(lambda every, new: every.at[nodes].set(new, mode="drop"), splits, found)

    shapes = jax.eval_shape(partial(splits_of, num_nodes=num_nodes), node, candidates)
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return lax.fori_loop(0, (jnp.sum(is_open) + at_once - 1) // at_once, add_group, nothing)


def _splits_of(
    codes: jax.Array,
    node: jax.Array,
    candidates: jax.Array | None,
    *,
    num_nodes: int,
    sums: Sums,
    criterion: Criterion,
    max_bins: int,
) -> Split:
    seen = codes if candidates is None else _codes_of_candidates(codes, candidates, node)
    counts = histograms(sums, seen, node, num_nodes=num_nodes, num_codes=max_bins + 1)
    split = best_splits(data_sum(counts), criterion)
    if candidates is None:
        return split
    return split._replace(feature=jnp.take_along_axis(candidates, split.feature[None], axis=0)[0])


def _codes_of_candidates(codes: jax.Array, candidates: jax.Array, node: jax.Array) -> jax.Array:
    """The code of each row for the features that its own node may use: codes [D, N], candidates [J, M] -> [J, N]."""
    rows = jnp.arange(codes.shape[1])
    return lax.map(lambda features: codes[features[node], rows], candidates)
