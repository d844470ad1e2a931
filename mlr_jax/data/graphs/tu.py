"""The text format of the TU Dortmund collection of graph sets (Morris et al. 2020): MUTAG, PROTEINS, ENZYMES, ...

A folder holds NAME_A.txt (an edge a line: "sender, receiver", nodes numbered from 1 through all graphs),
NAME_graph_indicator.txt (the graph of each node, from 1), NAME_graph_labels.txt or NAME_graph_attributes.txt, and,
where there are any, NAME_node_labels.txt, NAME_node_attributes.txt, NAME_edge_labels.txt and NAME_edge_attributes.txt.
"""

from pathlib import Path

import numpy as np

from mlr_jax.data.graphs.records import GraphSet, check_graph_set, one_graph, one_hot
from mlr_jax.data.graphs.text_tables import read_numbers


def load_tu(folder: str | Path, name: str | None = None) -> GraphSet:
    """The graphs of a folder in TU format.

    Features of nodes: each column of labels one-hot, then the attributes; a constant 1 where the set has neither. Edges
    the same, None where there is nothing. Edges are as the file has them, which lists both directions. `y` is an index
    into the graph labels in order, or, of a set with attributes of graphs in place of labels, float32.

    name: the beginning of the files' names; where it is not given, the folder must hold one set.

    Raises FileNotFoundError for a file that is needed and not there; ValueError, with file and line, for what does not
    fit: an edge to a node that is not there or in another graph, a label too many, a number that is none.
    """
    folder = Path(folder)
    start = str(folder / (name or _name_of(folder)))
    graph_of_node = _graphs(Path(f"{start}_graph_indicator.txt"))
    y, class_names = _labels(start, int(graph_of_node[-1]) + 1)
    edges = _edges(Path(f"{start}_A.txt"), graph_of_node)
    nodes = _features(f"{start}_node", len(graph_of_node), "nodes")
    nodes = np.ones((len(graph_of_node), 1), np.float32) if nodes is None else nodes
    edge_features = _features(f"{start}_edge", len(edges), "edges")
    order = np.argsort(graph_of_node[edges[:, 0]], kind="stable")
    sizes = np.bincount(graph_of_node, minlength=len(y))
    first_node = np.concatenate([[0], np.cumsum(sizes)])
    first_edge = np.searchsorted(graph_of_node[edges[order, 0]], np.arange(len(y) + 1))
    graphs = []
    for k in range(len(y)):
        own = order[first_edge[k] : first_edge[k + 1]]
        senders, receivers = (edges[own] - first_node[k]).T
        features = None if edge_features is None else edge_features[own]
        own_nodes = nodes[first_node[k] : first_node[k + 1]]
        graphs.append(one_graph(own_nodes, senders, receivers, features, name=f"{start}, graph {k + 1}"))
    return check_graph_set(GraphSet(graphs, y, class_names), start)


def _name_of(folder: Path) -> str:
    found = sorted(path.name.removesuffix("_A.txt") for path in folder.glob("*_A.txt"))
    if len(found) != 1:
        what = f"several sets, {', '.join(found)}: give a name" if found else "no file NAME_A.txt"
        raise FileNotFoundError(f"{folder} must be a folder in TU format, it holds {what}")
    return found[0]


def _graphs(path: Path) -> np.ndarray:
    """The graph of each node, from 0."""
    graphs = read_numbers(path, columns=1, whole=True)[:, 0] - 1
    if not len(graphs):
        raise ValueError(f"{path} must have a line for each node, got none")
    before = np.concatenate([[-1], graphs[:-1]])
    wrong = np.flatnonzero((graphs < before) | (graphs > before + 1) | (graphs < 0))
    if wrong.size:
        line = wrong[0]
        raise ValueError(f"{path}, line {line + 1}: graph {graphs[line] + 1} after graph {before[line] + 1}")
    return graphs


def _labels(start: str, count: int) -> tuple[np.ndarray, tuple[str, ...] | None]:
    path = Path(f"{start}_graph_labels.txt")
    is_class = path.is_file() or not Path(f"{start}_graph_attributes.txt").is_file()
    path = path if is_class else Path(f"{start}_graph_attributes.txt")
    values = read_numbers(path, columns=1 if is_class else None, whole=is_class)
    if len(values) != count:
        line = min(count, len(values)) + 1
        raise ValueError(f"{path}, line {line}: {len(values)} labels for {count} graphs")
    if not is_class:
        numbers = values.astype(np.float32)
        return (numbers[:, 0] if numbers.shape[1] == 1 else numbers), None
    classes, y = np.unique(values[:, 0], return_inverse=True)
    return y.astype(np.int32), tuple(map(str, classes))


def _edges(path: Path, graph_of_node: np.ndarray) -> np.ndarray:
    """[E, 2], nodes from 0."""
    edges = read_numbers(path, columns=2, whole=True) - 1
    outside = np.flatnonzero(((edges < 0) | (edges >= len(graph_of_node))).any(axis=1))
    if outside.size:
        first, second = edges[outside[0]] + 1
        raise ValueError(
            f"{path}, line {outside[0] + 1}: edge {first}, {second} of a node that is not one of 1 to "
            f"{len(graph_of_node)}"
        )
    graphs = graph_of_node[edges]
    between = np.flatnonzero(graphs[:, 0] != graphs[:, 1])
    if between.size:
        first, second = graphs[between[0]] + 1
        raise ValueError(f"{path}, line {between[0] + 1}: an edge between graph {first} and graph {second}")
    return edges


def _features(start: str, count: int, what: str) -> np.ndarray | None:
    """Labels one-hot, then attributes: float32 [count, F], or None if the set has neither."""
    parts = []
    for kind, whole in (("labels", True), ("attributes", False)):
        path = Path(f"{start}_{kind}.txt")
        if not path.is_file():
            continue
        values = read_numbers(path, whole=whole)
        if len(values) != count:
            line = min(count, len(values)) + 1
            raise ValueError(f"{path}, line {line}: {len(values)} lines for {count} {what}")
        if whole:
            columns = [np.unique(column, return_inverse=True) for column in values.T]
            parts += [one_hot(index, len(labels)) for labels, index in columns]
        else:
            parts.append(values.astype(np.float32))
    return np.concatenate(parts, axis=1) if parts else None
