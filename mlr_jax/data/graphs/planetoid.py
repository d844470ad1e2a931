"""Citation graphs with the split of Planetoid (Yang, Cohen & Salakhutdinov 2016): Cora, CiteSeer, PubMed.

Read from one `.npz` file, or from the eight files `ind.NAME.*` as they are published.
"""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlr_jax.data.graphs.records import NodeSet, both_ways, check_node_set, one_graph
from mlr_jax.data.graphs.restricted_pickle import Csr, read_pickle
from mlr_jax.data.graphs.text_tables import read_numbers

NUM_VALIDATION = 500
"""Planetoid's validation nodes are the 500 after its training nodes."""

CORA = (
    "theory", "reinforcement learning", "genetic algorithms", "neural networks", "probabilistic methods", "case based",
    "rule learning",
)  # fmt: skip
"""The classes of Cora in Planetoid's order."""

_KEYS = (
    "feature_row", "feature_col", "feature_value", "shape", "edges", "labels", "train", "validation", "test",
)  # fmt: skip
_PARTS = ("x", "y", "tx", "ty", "allx", "ally", "graph")


def load_npz(path: str | Path) -> NodeSet:
    """A citation graph in an `.npz` file.

    Its arrays: `feature_row`, `feature_col`, `feature_value` [M], the features that are not 0, and their `shape`
    (N, F); `edges` [E, 2], each undirected pair once; `labels` [N]; `train`, `validation`, `test`, indices of nodes.

    Raises FileNotFoundError if it is not there; ValueError, with the array and the row, for what does not fit. Arrays
    of objects, which only unpickling can read, are refused.
    """
    path = Path(path)
    arrays = _arrays(path)
    rows, columns, values, shape = (arrays[key] for key in _KEYS[:4])
    if shape.shape != (2,):
        raise ValueError(f"{path}: shape must be two numbers, got {list(shape.shape)}")
    nodes = _dense(rows, columns, values, (int(shape[0]), int(shape[1])), f"{path}: features")
    edges, labels = arrays["edges"], arrays["labels"].astype(np.int32)
    if edges.ndim != 2 or edges.shape[1] != 2:
        raise ValueError(f"{path}: edges must be [E, 2], got {list(edges.shape)}")
    _check_pairs(edges, len(nodes), f"{path}: edges")
    splits = [arrays[key].astype(np.int32) for key in _KEYS[6:]]
    return _node_set(nodes, edges, labels, splits, str(path))


def load_raw(folder: str | Path, name: str) -> NodeSet:
    """A citation graph in Planetoid's own files: ind.NAME.{x, y, tx, ty, allx, ally, graph, test.index}.

    These are pickles, and are read by `restricted_pickle`, which makes nothing but arrays, sparse matrices, dicts and
    lists. Nodes that are in no file (CiteSeer has 15) get features of 0 and no label.

    Raises FileNotFoundError for a file that is not there; ValueError, with the file, for what does not fit.
    """
    start = f"{Path(folder) / 'ind'}.{name}."
    parts = {part: read_pickle(Path(start + part)) for part in _PARTS}
    x, tx, allx = (_matrix(parts[part], start + part) for part in ("x", "tx", "allx"))
    y, ty, ally = (_matrix(parts[part], start + part) for part in ("y", "ty", "ally"))
    test = read_numbers(Path(f"{start}test.index"), columns=1, whole=True)[:, 0]
    _check_parts(start, (x, tx, allx), (y, ty, ally), test)
    count = max(len(allx), int(test.max()) + 1)
    nodes, answers = np.zeros((count, allx.shape[1]), np.float32), np.zeros((count, ally.shape[1]), np.float32)
    nodes[: len(allx)], answers[: len(ally)] = allx, ally
    nodes[test], answers[test] = tx, ty
    labels = np.where(answers.any(axis=1), answers.argmax(axis=1), -1).astype(np.int32)
    train = np.arange(len(y), dtype=np.int32)
    validation = np.arange(len(y), min(len(y) + NUM_VALIDATION, len(allx)), dtype=np.int32)
    edges = _neighbour_lists(parts["graph"], count, f"{start}graph")
    return _node_set(nodes, edges, labels, [train, validation, np.sort(test).astype(np.int32)], f"{start}*")


def save_npz(path: str | Path, data: NodeSet) -> None:
    """Write a set as `load_npz` reads it; its edges must be there in both directions, self loops once."""
    senders, receivers = data.graph.senders, data.graph.receivers
    rows, columns = np.nonzero(data.graph.nodes)
    once = senders <= receivers
    np.savez_compressed(
        path,
        feature_row=rows,
        feature_col=columns,
        feature_value=data.graph.nodes[rows, columns],
        shape=np.array(data.graph.nodes.shape),
        edges=np.stack([senders[once], receivers[once]], axis=1),
        labels=data.y,
        train=data.train,
        validation=data.validation,
        test=data.test,
    )


def normalise_rows(nodes: np.ndarray) -> np.ndarray:
    """Features [N, F] with rows that sum to 1, as the papers of GCN and GAT use them; a row of zeros stays."""
    total = nodes.sum(axis=1, keepdims=True)
    return (nodes / np.where(total == 0, 1, total)).astype(np.float32)


def _node_set(nodes: np.ndarray, edges: np.ndarray, labels: np.ndarray, splits: list[np.ndarray], name: str) -> NodeSet:
    senders, receivers = both_ways(edges)
    graph = one_graph(nodes, senders, receivers, name=name)
    train, validation, test = splits
    count = int(labels.max(initial=0)) + 1
    is_cora = nodes.shape == (2708, 1433) and count == len(CORA)
    names = CORA if is_cora else tuple(f"class {k}" for k in range(count))
    return check_node_set(NodeSet(graph, labels, train, validation, test, names), name)


def _arrays(path: Path) -> Mapping[str, np.ndarray]:
    if not path.is_file():
        raise FileNotFoundError(f"no .npz file at {path}")
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [key for key in _KEYS if key not in file]
            if missing:
                raise ValueError(f"lacks {', '.join(missing)}; it has {', '.join(file)}")
            arrays = {key: file[key] for key in _KEYS}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is not a citation graph in .npz: {error}") from error
    for key, array in arrays.items():
        wanted = np.number if key == "feature_value" else np.integer
        if not np.issubdtype(array.dtype, wanted):
            raise ValueError(f"{path}: {key} must be numbers of kind {wanted.__name__}, got {array.dtype}")
    return arrays


def _dense(rows, columns, values, shape: tuple[int, int], name: str) -> np.ndarray:
    if not rows.shape == columns.shape == values.shape == (len(rows),):
        raise ValueError(
            f"{name}: rows, columns and values must be [M], got {list(rows.shape)}, {list(columns.shape)} and "
            f"{list(values.shape)}"
        )
    wrong = np.flatnonzero((rows < 0) | (rows >= shape[0]) | (columns < 0) | (columns >= shape[1]))
    if wrong.size:
        at = wrong[0]
        raise ValueError(f"{name}, value {at}: place ({rows[at]}, {columns[at]}) is not in a matrix of shape {shape}")
    dense = np.zeros(shape, np.float32)
    np.add.at(dense, (rows, columns), values)
    return dense


def _check_pairs(edges: np.ndarray, count: int, name: str) -> None:
    outside = np.flatnonzero(((edges < 0) | (edges >= count)).any(axis=1))
    if outside.size:
        raise ValueError(f"{name}, row {outside[0]}: {edges[outside[0]].tolist()} is not a pair of the {count} nodes")


def _matrix(part: Any, name: str) -> np.ndarray:
    """A sparse or dense matrix of a pickle as float32 [rows, columns]."""
    if isinstance(part, Csr):
        return part.dense(name)
    if not isinstance(part, np.ndarray) or part.ndim != 2 or not np.issubdtype(part.dtype, np.number):
        raise ValueError(f"{name} must hold a matrix of numbers, got {type(part).__name__}")
    return part.astype(np.float32)


def _check_parts(start: str, features: tuple, answers: tuple, test: np.ndarray) -> None:
    for name, left, right in zip(("x", "tx", "allx"), features, answers, strict=True):
        if len(left) != len(right) or left.shape[1] != features[2].shape[1] or right.shape[1] != answers[2].shape[1]:
            raise ValueError(
                f"{start}{name} has shape {list(left.shape)} and its labels {list(right.shape)}, which do not fit allx "
                f"{list(features[2].shape)} and ally {list(answers[2].shape)}"
            )
    if len(test) != len(features[1]) or len(features[0]) > len(features[2]):
        raise ValueError(f"{start}test.index has {len(test)} lines, tx {len(features[1])} rows")
    wrong = np.flatnonzero(test < len(features[2]))
    if wrong.size or len(np.unique(test)) < len(test):
        line = int(wrong[0]) if wrong.size else 0
        raise ValueError(
            f"{start}test.index, line {line + 1}: node {test[line]}; each must be named once, after the "
            f"{len(features[2])} of allx"
        )


def _neighbour_lists(lists: Any, count: int, name: str) -> np.ndarray:
    """Pairs [E, 2] of a dict node -> neighbours."""
    if not isinstance(lists, dict):
        raise ValueError(f"{name} must hold a dict of lists, got {type(lists).__name__}")
    pairs = []
    for node, neighbours in lists.items():
        ends = [node, *neighbours] if isinstance(neighbours, list) else [None]
        if not all(isinstance(end, int) and 0 <= end < count for end in ends):
            shown = re.sub(r"\s+", " ", f"{node!r}: {neighbours!r}")[:60]
            raise ValueError(f"{name}: {shown} must be a node and a list of nodes, of 0 to {count - 1}")
        pairs += [(node, neighbour) for neighbour in neighbours]
    return np.array(pairs, np.int64).reshape(-1, 2)
