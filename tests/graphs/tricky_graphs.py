"""Small graphs that go wrong first, and what a padding full of junk looks like."""

from typing import NamedTuple

import jax
import numpy as np

from mlr_jax.ops.graph import GraphsTuple, Size, from_edges, pack, pad

WIDTH, EDGE_WIDTH, GLOBAL_WIDTH = 3, 2, 4


def random_graph(seed: int, num_nodes: int, num_edges: int, ends=None) -> GraphsTuple:
    """Random features on random edges, or on these [E, 2]."""
    rng = np.random.default_rng(seed)
    ends = rng.integers(0, num_nodes, (num_edges, 2)) if ends is None else np.asarray(ends).reshape(-1, 2)
    nodes, edges, of_graph = (
        rng.normal(size=shape).astype(np.float32)
        for shape in ((num_nodes, WIDTH), (len(ends), EDGE_WIDTH), (GLOBAL_WIDTH,))
    )
    return from_edges(nodes, ends[:, 0], ends[:, 1], edges, of_graph)


TRICKY = {
    "random": random_graph(0, 6, 14),
    "isolated nodes": random_graph(1, 5, 0, [[0, 2], [2, 0]]),
    "self loops": random_graph(2, 3, 0, [[0, 0], [0, 1], [2, 2]]),
    "no edges": random_graph(3, 4, 0),
    "one node": random_graph(4, 1, 0),
    "one node with a loop": random_graph(5, 1, 0, [[0, 0]]),
    "duplicate edges": random_graph(6, 3, 0, [[0, 1], [0, 1], [0, 1], [1, 2]]),
}
"""Graphs by what is special about them, all with features of the same widths."""

GRAPHS = list(TRICKY.values())
TOGETHER = pack(GRAPHS)
SIZE = Size(nodes=32, edges=40, graphs=len(GRAPHS) + 3)
PADDED = pad(TOGETHER, SIZE)
"""All of them side by side, with padding nodes, padding edges and several padding graphs."""


def with_junk(padded: GraphsTuple, junk: float) -> GraphsTuple:
    """The features of everything behind TOGETHER set to `junk`."""

    def fill(leaf, count):
        leaf = np.array(leaf)
        leaf[count:] = junk
        return leaf

    counts = {"nodes": TOGETHER.n_node.sum(), "edges": TOGETHER.n_edge.sum(), "globals": len(GRAPHS)}
    return padded._replace(**{name: fill(getattr(padded, name), count) for name, count in counts.items()})


class Parts(NamedTuple):
    """The real part of what a layer made of PADDED, graph by graph."""

    nodes: list[np.ndarray]
    edges: list[np.ndarray]


def by_graph(nodes=None, edges=None) -> Parts:
    """Nodes [N, F] and edges [E, F_e] of PADDED, cut into the graphs of GRAPHS, padding left out."""

    def cut(values, counts):
        return [] if values is None else np.split(np.asarray(values)[: counts.sum()], np.cumsum(counts)[:-1])

    return Parts(cut(nodes, TOGETHER.n_node), cut(edges, TOGETHER.n_edge))


def permuted(graph: GraphsTuple, seed: int) -> tuple[GraphsTuple, np.ndarray, np.ndarray]:
    """A single graph with nodes and edges in another order: new node i is old node order[i]; edges likewise."""
    rng = np.random.default_rng(seed)
    order, edge_order = rng.permutation(len(graph.nodes)), rng.permutation(len(graph.senders))
    place = np.argsort(order)
    other = graph._replace(
        nodes=graph.nodes[order],
        edges=graph.edges[edge_order],
        senders=place[graph.senders][edge_order].astype(np.int32),
        receivers=place[graph.receivers][edge_order].astype(np.int32),
    )
    return other, order, edge_order


MOVED = [permuted(graph, seed) for seed, graph in enumerate(GRAPHS)]
PERMUTED = pad(pack([graph for graph, _, _ in MOVED]), SIZE)
"""PADDED with the nodes and edges of each graph in another order: `(_, order, edge_order)` of MOVED."""


def randomised(variables, seed: int = 0):
    """Every variable moved a little, so that no bias and no moment is left at its 0 or 1."""
    leaves, structure = jax.tree.flatten(variables)
    rng = np.random.default_rng(seed)
    moved = [np.asarray(leaf) + 0.1 * rng.random(leaf.shape).astype(np.float32) for leaf in leaves]
    return jax.tree.unflatten(structure, moved)


def dense(params, x: np.ndarray) -> np.ndarray:
    """x W + b by the parameters of a Linen Dense."""
    return x @ np.asarray(params["kernel"]) + np.asarray(params.get("bias", 0.0))


def mlp(params, x: np.ndarray, name: str = "Dense") -> np.ndarray:
    """By the parameters name_0, name_1, ... with a relu between layers."""
    for index in range(sum(key.startswith(f"{name}_") for key in params)):
        x = dense(params[f"{name}_{index}"], x if index == 0 else np.maximum(x, 0))
    return x
