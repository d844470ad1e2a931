"""Graphs of networkx, from and to; and the one it ships: Zachary's karate club."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlr_jax.data.graphs.records import NodeSet, check_node_set, one_graph
from mlr_jax.ops.graph import GraphsTuple

if TYPE_CHECKING:
    from networkx import Graph


def from_networkx(
    graph: "Graph", *, features: Sequence[str] = (), edge_features: Sequence[str] = (), label: str | None = None
) -> NodeSet:
    """A graph of networkx, directed or not, with nodes in its order; an undirected edge becomes two, a self loop one.

    features, edge_features: attributes, numbers or arrays [F], put side by side; without any, each node has the single
        feature 1, and edges have none
    label: the attribute that names a node's class; a node without it has no label

    There are no splits. Raises ValueError for a node or an edge without a feature, or with one of another length.
    """
    index = {node: k for k, node in enumerate(graph)}
    ends = [(index[first], index[second], data) for first, second, data in graph.edges(data=True)]
    if not graph.is_directed():
        ends += [(second, first, data) for first, second, data in ends if first != second]
    nodes = _table([(f"node {node!r}", data) for node, data in graph.nodes(data=True)], features)
    edges = _table([(f"edge {first}, {second}", data) for first, second, data in ends], edge_features)
    pairs = np.array([end[:2] for end in ends], int).reshape(-1, 2)
    senders, receivers = pairs.T
    nodes = nodes if features else np.ones((len(index), 1), np.float32)
    made = one_graph(nodes, senders, receivers, edges if edge_features else None, name="networkx graph")
    texts = ["" if label is None else str(data.get(label, "")) for _, data in graph.nodes(data=True)]
    names = tuple(sorted({text for text in texts if text}))
    y = np.array([names.index(text) if text else -1 for text in texts], np.int32)
    none = np.array([], np.int32)
    return check_node_set(NodeSet(made, y, none, none, none, names), "networkx graph")


def to_networkx(graph: GraphsTuple) -> "Graph":
    """The undirected graph of one `GraphsTuple`, nodes 0 .. N - 1; a pair of directions is one edge."""
    from networkx import Graph

    made: Graph = Graph()
    made.add_nodes_from(range(len(graph.nodes)))
    made.add_edges_from(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
    return made


def karate_club() -> NodeSet:
    """Zachary's karate club (1977): 34 members, 78 friendships, and the side each took when the club broke up.

    Every member is its own feature (the identity). Only the two leaders, members 0 and 33, train, as in Kipf & Welling
    (2017, appendix A); all others are to test.
    """
    from networkx import karate_club_graph

    club = karate_club_graph()
    data = from_networkx(club, label="club")
    rest = np.arange(1, len(data.y) - 1, dtype=np.int32)
    leaders = np.array([0, len(data.y) - 1], np.int32)
    graph = data.graph._replace(nodes=np.eye(len(data.y), dtype=np.float32))
    return check_node_set(data._replace(graph=graph, train=leaders, test=rest), "karate club")


def _table(rows: Sequence[tuple[str, dict]], names: Sequence[str]) -> np.ndarray:
    found: list[np.ndarray] = []
    for where, data in rows:
        missing = [name for name in names if name not in data]
        if missing:
            raise ValueError(
                f"networkx graph: {where} has no {missing[0]!r}; it has {', '.join(map(str, data)) or 'nothing'}"
            )
        parts = [np.atleast_1d(np.asarray(data[name], np.float32)) for name in names]
        found.append(np.concatenate(parts) if parts else np.zeros(0, np.float32))
        if found[-1].shape != found[0].shape:
            raise ValueError(f"networkx graph: {where} has {len(found[-1])} features, others have {len(found[0])}")
    return np.stack(found) if found else np.zeros((0, 1), np.float32)
