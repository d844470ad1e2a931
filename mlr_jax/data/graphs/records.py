"""Two records of graph data, numpy arrays only: one graph whose nodes have labels, and many graphs with a label each.

Graphs are `GraphsTuple`s of one graph: nodes float32 [N, F], senders and receivers int32 [E], edges float32 [E, F_e]
or None, n_node and n_edge [1]. Edges are directed; an undirected one is there in both directions. They are sorted by
receiver, and by sender among those of one receiver.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mlr_jax.ops.graph import GraphsTuple, from_edges


class NodeSet(NamedTuple):
    """One graph whose nodes have classes.

    graph:       nodes [N, F]
    y:           int32 [N], an index into class_names; -1 where it is not known
    train, validation, test: int32 indices of nodes, disjoint, each with a known label
    class_names: of the K classes
    """

    graph: GraphsTuple
    y: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    class_names: tuple[str, ...]


class GraphSet(NamedTuple):
    """Many graphs, each with a label.

    graphs:      G graphs with the same number of features
    y:           int32 [G], an index into class_names; or float32 [G], a number; or float32 [G, T], T tasks, where NaN
                 stands for no answer
    class_names: of the K classes, None where y is not a class
    splits:      indices of graphs by name, where the source has a split of its own: train, test, perhaps validation
    """

    graphs: Sequence[GraphsTuple]
    y: np.ndarray
    class_names: tuple[str, ...] | None = None
    splits: Mapping[str, np.ndarray] = {}


def one_graph(
    nodes: np.ndarray,
    senders: np.ndarray,
    receivers: np.ndarray,
    edges: np.ndarray | None = None,
    *,
    name: str = "graph",
) -> GraphsTuple:
    """A graph of nodes [N, F] and edges senders [E] -> receivers [E] with features edges [E, F_e], sorted by receiver.

    Raises ValueError, which begins with `name`, for arrays that do not fit, with the first edge that leads nowhere.
    """
    try:
        graph = from_edges(
            np.asarray(nodes, np.float32), senders, receivers, None if edges is None else np.asarray(edges, np.float32)
        )
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    for part, features in (("nodes", graph.nodes), ("edges", graph.edges)):
        wrong = np.flatnonzero(~np.isfinite(features).all(axis=1)) if features is not None else np.array([])
        if wrong.size:
            raise ValueError(f"{name}: {part} are NaN or infinite in row {wrong[0]}")
    order = np.lexsort((graph.senders, graph.receivers))
    return graph._replace(
        senders=graph.senders[order],
        receivers=graph.receivers[order],
        edges=None if graph.edges is None else graph.edges[order],
    )


def both_ways(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """senders and receivers of undirected edges [E, 2]: each pair in both directions, once; a self loop is one edge."""
    pairs = np.asarray(pairs, np.int64).reshape(-1, 2)
    senders, receivers = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0).T
    return senders, receivers


def one_hot(labels: np.ndarray, count: int) -> np.ndarray:
    """float32 [N, count], with a 1 in the column that each of the labels [N] names."""
    return (labels[:, None] == np.arange(count)).astype(np.float32)


def check_node_set(data: NodeSet, name: str = "node set") -> NodeSet:
    """The same set. Raises ValueError, which begins with `name`, for a label or an index that does not fit."""
    count, classes = len(data.graph.nodes), len(data.class_names)
    if data.y.shape != (count,):
        raise ValueError(f"{name}: labels must be [{count}], one for each node, got {list(data.y.shape)}")
    wrong = np.flatnonzero((data.y < -1) | (data.y >= classes))
    if wrong.size:
        raise ValueError(f"{name}, node {wrong[0]}: the label {data.y[wrong[0]]} is not one of the {classes} classes")
    owner: dict[int, str] = {}
    for split in ("train", "validation", "test"):
        for node in map(int, getattr(data, split)):
            if not 0 <= node < count:
                raise ValueError(f"{name}: {split} has node {node}, which is not one of the {count} nodes")
            if data.y[node] < 0:
                raise ValueError(f"{name}: {split} has node {node}, which has no label")
            if node in owner:
                raise ValueError(f"{name}: {split} has node {node}, which {owner[node]} has already")
            owner[node] = split
    return data


def check_graph_set(data: GraphSet, name: str = "graph set") -> GraphSet:
    """The same set. Raises ValueError, which begins with `name`, for graphs, labels or splits that do not fit."""
    if not data.graphs or len(data.y) != len(data.graphs):
        raise ValueError(f"{name}: there must be a label for each graph, got {len(data.graphs)} and {len(data.y)}")
    widths = [(g.nodes.shape[1], None if g.edges is None else g.edges.shape[1]) for g in data.graphs]
    for index, width in enumerate(widths):
        if width != widths[0]:
            raise ValueError(f"{name}, graph {index}: features of nodes and edges are {width}, before {widths[0]}")
    if data.class_names is not None:
        wrong = np.flatnonzero((data.y < 0) | (data.y >= len(data.class_names)))
        if wrong.size:
            raise ValueError(f"{name}, graph {wrong[0]}: the label {data.y[wrong[0]]} is not a class")
    for split, rows in data.splits.items():
        outside = rows[(rows < 0) | (rows >= len(data.graphs))]
        if len(outside):
            raise ValueError(f"{name}: {split} has graph {outside[0]}, which is not one of the {len(data.graphs)}")
    return data
