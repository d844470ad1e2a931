"""Edges held out of a graph, and as many pairs of nodes without an edge: what link prediction is judged by."""

from typing import NamedTuple

import numpy as np

from mlr_jax.data.arrays import Arrays, check_seed
from mlr_jax.data.graphs.records import both_ways, one_graph
from mlr_jax.ops.graph import GraphsTuple


class LinkSet(NamedTuple):
    """A graph without the edges that are held out.

    graph:      all nodes, and the training edges in both directions
    train:      `"pairs"` int32 [P, 2], the training edges, each once
    validation, test: `"pairs"` int32 [2 Q, 2] and `"y"` int32 [2 Q]: Q edges (1), then Q pairs without an edge (0)
    """

    graph: GraphsTuple
    train: Arrays
    validation: Arrays
    test: Arrays


def split_links(graph: GraphsTuple, *, seed: int, validation: float = 0.05, test: float = 0.1) -> LinkSet:
    """Hold out random edges of an undirected graph, as Kipf & Welling (2016): 5 % to validate, 10 % to test.

    Self loops are no links and stay in no part. The pairs without an edge are uniform among all such pairs of the whole
    graph, and none is there twice. Counts are rounded down. Raises ValueError for shares that leave a part empty, and
    for a graph with fewer missing pairs than are needed.
    """
    check_seed(seed)
    rng = np.random.default_rng(seed)
    count = len(graph.nodes)
    first, second = np.minimum(graph.senders, graph.receivers), np.maximum(graph.senders, graph.receivers)
    codes = np.unique((first.astype(np.int64) * count + second)[first != second])
    sizes = [int(share * len(codes)) for share in (validation, test)]
    if min(sizes) < 1 or sum(sizes) >= len(codes):
        raise ValueError(f"validation and test: got {validation} and {test} of {len(codes)} edges, a part is empty")
    missing = _missing(rng, codes, count, sum(sizes))
    held, kept = np.split(rng.permutation(codes), [sum(sizes)])
    senders, receivers = both_ways(_pairs(kept, count))
    parts = []
    for part in (slice(0, sizes[0]), slice(sizes[0], None)):
        pairs = np.concatenate([_pairs(held[part], count), _pairs(missing[part], count)])
        parts.append({"pairs": pairs, "y": np.repeat(np.array([1, 0], np.int32), len(pairs) // 2)})
    return LinkSet(
        one_graph(graph.nodes, senders, receivers), {"pairs": _pairs(np.sort(kept), count)}, parts[0], parts[1]
    )


def _pairs(codes: np.ndarray, count: int) -> np.ndarray:
    return np.stack(np.divmod(codes, count), axis=1).astype(np.int32)


def _missing(rng: np.random.Generator, codes: np.ndarray, count: int, wanted: int) -> np.ndarray:
    """Codes of `wanted` different pairs i < j that are not among `codes`."""
    if count * (count - 1) // 2 - len(codes) < 2 * wanted:
        raise ValueError(f"graph: {wanted} pairs without an edge are needed, {count} nodes have too few")
    found = np.array([], np.int64)
    while len(found) < wanted:
        first, second = np.sort(rng.integers(0, count, (2, 2 * wanted)), axis=0)
        drawn = (first * count + second)[first != second]
        drawn = drawn[~np.isin(drawn, codes)]
        _, places = np.unique(np.concatenate([found, drawn]), return_index=True)
        found = np.concatenate([found, drawn])[np.sort(places)]
    return found[:wanted]
