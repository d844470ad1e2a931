"""Neighbour sampling (Hamilton, Ying & Leskovec 2017): training on a graph that is too large to be used whole.

A batch is a block: some seed nodes, a few of their neighbours, a few neighbours of those, and the edges along which
they were found. A network of as many layers as there are hops computes on it the seeds' outputs as on the whole graph,
but for the neighbours that were left out; other nodes are there for their messages only, and have the mask 0. So a
block is a batch of `node_classification` like any other graph. All blocks have one shape, and cost memory by the size
of a batch, not of the graph. They are made on the host, and `train/loop.py: fit` makes the next while one is used.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mlr_jax.core.types import Batch, Source
from mlr_jax.data.arrays import from_arrays
from mlr_jax.ops.graph import GraphsTuple, Size, from_edges, pad


class Neighbours(NamedTuple):
    """The edges of a graph by receiver: those of node i are at start[i] to start[i + 1] - 1.

    start: int64 [N + 1]; senders: int32 [E]; rows: where each edge stands in the graph, int [E]
    """

    start: np.ndarray
    senders: np.ndarray
    rows: np.ndarray


class Block(NamedTuple):
    """Nodes [M] of the graph, seeds first; ends of the edges as places among them [L]; their rows in the graph [L]."""

    nodes: np.ndarray
    senders: np.ndarray
    receivers: np.ndarray
    rows: np.ndarray


def neighbours_of(graph: GraphsTuple) -> Neighbours:
    """The edges of a graph by receiver."""
    count = len(graph.nodes)
    rows = np.argsort(graph.receivers, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(graph.receivers, minlength=count))])
    return Neighbours(start, graph.senders[rows], rows)


def sample_block(neighbours: Neighbours, seeds: np.ndarray, fanouts: Sequence[int], rng: np.random.Generator) -> Block:
    """For each node that hop h - 1 found, `fanouts[h]` of its edges, or all if it has no more; h = 0 starts at `seeds`.

    Edges are drawn without replacement, uniformly and independently for each node; a node's are drawn once, at the hop
    that finds it. The seeds must differ. Time and memory are those of the block, and one number for each node.
    """
    place = np.full(len(neighbours.start) - 1, -1, np.int32)
    place[seeds] = np.arange(len(seeds))
    nodes, frontier = [seeds], seeds
    found = []
    for fanout in fanouts:
        degree = neighbours.start[frontier + 1] - neighbours.start[frontier]
        owner, offset = choose(degree, fanout, rng)
        edges = neighbours.start[frontier[owner]] + offset
        found.append((frontier[owner], edges))
        senders = np.unique(neighbours.senders[edges])
        frontier = senders[place[senders] < 0]
        place[frontier] = np.arange(len(frontier)) + sum(map(len, nodes))
        nodes.append(frontier)
    receivers, edges = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Block(np.concatenate(nodes), place[neighbours.senders[edges]], place[receivers], neighbours.rows[edges])


def choose(counts: np.ndarray, most: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """From each of M sets of counts [M] things, `most` of them at random, or all if it has no more.

    Returns the set and the number within the set of each thing chosen. Floyd's algorithm (Bentley & Floyd, 1987): k
    draws for k different things, here for all sets at once.
    """
    chosen = np.full((len(counts), most), -1, np.int64)
    for k in range(most):
        last = counts - most + k  # the greatest number that draw k may give, in a set that has enough
        drawn = (rng.random(len(counts)) * (last + 1)).astype(np.int64)
        is_taken = (chosen[:, :k] == drawn[:, None]).any(axis=1)
        chosen[:, k] = np.where(is_taken, last, drawn)
    is_small = counts <= most
    chosen[is_small] = np.arange(most)
    owner, column = np.nonzero(chosen < np.where(is_small, counts, np.iinfo(np.int64).max)[:, None])
    return owner, chosen[owner, column]


def largest_block(neighbours: Neighbours, num_seeds: int, fanouts: Sequence[int]) -> Size:
    """What any block fits in, with one padding node: the bound by fan-outs, or the graph if that is smaller."""
    num_nodes, num_edges = len(neighbours.start) - 1, len(neighbours.senders)
    found, nodes, edges = num_seeds, num_seeds, 0
    for fanout in fanouts:
        found *= fanout
        nodes, edges = nodes + found, edges + found
    return Size(min(nodes, num_nodes) + 1, min(edges, num_edges), 2)


def sampled_nodes(
    graph: GraphsTuple,
    y: np.ndarray,
    seeds: np.ndarray,
    *,
    fanouts: Sequence[int],
    batch_size: int,
    seed: int,
    evaluation_fanouts: Sequence[int] | None = None,
    size: Size | None = None,
) -> Source:
    """Batches of blocks around `batch_size` of the nodes `seeds`: {"graph", "y" [N], "mask" [N]}, as one shape.

    Every seed node comes once an epoch; one that a batch has twice, where two epochs meet, counts once. What stream(k)
    draws depends on `seed` and k alone. `evaluation()` has every seed once, with `evaluation_fanouts` neighbours
    (default: `fanouts`), the same at each call.

    size: what each training block is padded to, in place of the greatest that can be needed.

    Raises ValueError for a graph of several parts, labels that are not one for each node, a seed that is no node, and
    fan-outs or numbers that make no sense; and, when such a batch comes, for a block that `size` does not hold.
    """
    _check(graph, y, seeds, fanouts, evaluation_fanouts)
    neighbours = neighbours_of(graph)
    order = from_arrays({"node": np.asarray(seeds)}, batch_size, seed=seed)
    size = largest_block(neighbours, batch_size, fanouts) if size is None else size

    def batch(own: np.ndarray, fanouts: Sequence[int], size: Size, rng: np.random.Generator) -> Batch:
        block = sample_block(neighbours, own, fanouts, rng)
        features = None if graph.edges is None else graph.edges[block.rows]
        padded = pad(from_edges(graph.nodes[block.nodes], block.senders, block.receivers, features), size)
        labels = np.zeros(size.nodes, y.dtype)
        labels[: len(own)] = y[own]
        return {"graph": padded, "y": labels, "mask": (np.arange(size.nodes) < len(own)).astype(np.float32)}

    def stream(step: int) -> Iterator[Batch]:
        for rows in order.stream(step):
            yield batch(np.unique(rows["node"]), fanouts, size, np.random.default_rng((seed, 1, step)))
            step += 1

    def evaluation() -> Iterator[Batch]:
        wide = fanouts if evaluation_fanouts is None else evaluation_fanouts
        greatest = largest_block(neighbours, batch_size, wide)
        for start in range(0, len(seeds), batch_size):
            rng = np.random.default_rng((seed, 2, start))
            yield batch(np.unique(seeds[start : start + batch_size]), wide, greatest, rng)

    return Source(stream, evaluation)


def _check(
    graph: GraphsTuple,
    y: np.ndarray,
    seeds: np.ndarray,
    fanouts: Sequence[int],
    evaluation_fanouts: Sequence[int] | None,
) -> None:
    count = len(graph.nodes)
    if len(graph.n_node) != 1:
        raise ValueError(f"graph: got {len(graph.n_node)} graphs side by side, one is wanted")
    if len(y) != count:
        raise ValueError(f"y: got {len(y)} labels, one for each of the {count} nodes is wanted")
    for name, values in (("fanouts", fanouts), ("evaluation_fanouts", evaluation_fanouts)):
        if values is not None and (not values or min(values) < 1):
            raise ValueError(f"{name}: at least one hop of at least one neighbour is needed, got {tuple(values)}")
    outside = np.flatnonzero((seeds < 0) | (seeds >= count))
    if outside.size:
        raise ValueError(f"seeds: got node {seeds[outside[0]]} in row {outside[0]}, the graph has {count} nodes")
    unknown = np.flatnonzero(y[seeds] < 0)
    if unknown.size:
        raise ValueError(f"seeds: node {seeds[unknown[0]]} in row {unknown[0]} has no label")
