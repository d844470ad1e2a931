"""A graph as CSV tables: a file of edges, and beside it, if there is one, a file of nodes.

Edges: a header, then a line for each undirected edge. The first two columns are the names of its nodes; any others are
numbers, its features. Nodes: a header, then a line for each node. The first column is its name; a column `label` its
class (empty where it is not known), a column `split` one of train, validation, test, or empty; any others are numbers.
"""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlr_jax.data.graphs.records import NodeSet, check_node_set, one_graph
from mlr_jax.data.graphs.text_tables import read_lines

SPLITS = ("train", "validation", "test")


class _Rows(NamedTuple):
    """The cells of a CSV file, and the line of each row."""

    path: Path
    header: list[str]
    cells: list[list[str]]
    lines: list[int]

    def error(self, row: int, message: str) -> ValueError:
        return ValueError(f"{self.path}, line {self.lines[row]}: {message}")


def load_edge_list(edges: str | Path, nodes: str | Path | None = None) -> NodeSet:
    """An undirected graph of two CSV files; nodes are in the order of their file, or, without one, as edges name them.

    Nodes without features have the single feature 1. Each edge is there in both directions with the same features; a
    self loop is one edge. Without a file of nodes there are neither labels nor splits.

    Raises FileNotFoundError for a file that is not there; ValueError, with file and line, for an edge of a node that
    has no line, two lines of one node or one edge, a cell that is no number, or a split of a node without a label.
    """
    rows = _read(Path(edges), 2)
    table = _read(Path(nodes), 1) if nodes is not None else None
    names = _names(rows, table)
    pairs = _pairs(rows, names, table)
    features = _numbers(rows, range(2, len(rows.header)))
    loops = pairs[:, 0] == pairs[:, 1]
    senders, receivers = np.concatenate([pairs, pairs[~loops][:, ::-1]]).T
    edge_features = np.concatenate([features, features[~loops]]) if features.shape[1] else None
    if table is None:
        graph = one_graph(np.ones((len(names), 1)), senders, receivers, edge_features, name=str(edges))
        none = np.array([], np.int32)
        return NodeSet(graph, np.full(len(names), -1, np.int32), none, none, none, ())
    own = [k for k in range(1, len(table.header)) if table.header[k] not in ("label", "split")]
    node_features = _numbers(table, own) if own else np.ones((len(names), 1))
    graph = one_graph(node_features, senders, receivers, edge_features, name=str(edges))
    y, class_names = _labels(table)
    splits = [_split(table, split, y) for split in SPLITS]
    return check_node_set(NodeSet(graph, y, splits[0], splits[1], splits[2], class_names), str(nodes))


def _read(path: Path, named: int) -> _Rows:
    reader = csv.reader(read_lines(path))
    try:
        header = [name.strip() for name in next(reader, [])]
        cells, lines = [], []
        for row in reader:
            if row:
                cells.append([cell.strip() for cell in row])
                lines.append(reader.line_num)
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from error
    rows = _Rows(path, header, cells, lines)
    if len(header) < named or not all(header) or len(set(header)) < len(header):
        raise ValueError(f"{path}, line 1: wanted a name of its own for each of at least {named} columns, got {header}")
    for k, row in enumerate(cells):
        if len(row) != len(header):
            raise rows.error(k, f"got {len(row)} cells, the header has {len(header)}")
    return rows


def _names(rows: _Rows, table: _Rows | None) -> dict[str, int]:
    """The index of each node by its name."""
    if table is None:
        return {name: k for k, name in enumerate(dict.fromkeys(name for row in rows.cells for name in row[:2]))}
    names: dict[str, int] = {}
    for k, row in enumerate(table.cells):
        if row[0] in names:
            raise table.error(k, f"a second line of node {row[0]!r}")
        names[row[0]] = k
    return names


def _pairs(rows: _Rows, names: dict[str, int], table: _Rows | None) -> np.ndarray:
    seen: set[frozenset[str]] = set()
    for k, row in enumerate(rows.cells):
        for name in row[:2]:
            if name not in names:
                raise rows.error(k, f"an edge of node {name!r}, which has no line in {table.path if table else 'none'}")
        if frozenset(row[:2]) in seen:
            raise rows.error(k, f"a second edge between {row[0]!r} and {row[1]!r}; each is written once")
        seen.add(frozenset(row[:2]))
    return np.array([[names[row[0]], names[row[1]]] for row in rows.cells], int).reshape(-1, 2)


def _numbers(rows: _Rows, columns: Sequence[int]) -> np.ndarray:
    table = np.empty((len(rows.cells), len(columns)))
    for k, row in enumerate(rows.cells):
        for place, column in enumerate(columns):
            try:
                table[k, place] = float(row[column])
            except ValueError:
                table[k, place] = math.nan
            if not math.isfinite(table[k, place]):
                raise rows.error(k, f"column {rows.header[column]!r} must be a number, got {row[column]!r}")
    return table


def _labels(table: _Rows) -> tuple[np.ndarray, tuple[str, ...]]:
    if "label" not in table.header:
        return np.full(len(table.cells), -1, np.int32), ()
    texts = [row[table.header.index("label")] for row in table.cells]
    names = tuple(sorted({text for text in texts if text}))
    return np.array([names.index(text) if text else -1 for text in texts], np.int32), names


def _split(table: _Rows, split: str, y: np.ndarray) -> np.ndarray:
    if "split" not in table.header:
        return np.array([], np.int32)
    column = table.header.index("split")
    for k, row in enumerate(table.cells):
        if row[column] not in ("", *SPLITS):
            raise table.error(k, f"a split is one of {', '.join(SPLITS)}, got {row[column]!r}")
        if row[column] and y[k] < 0:
            raise table.error(k, f"node {row[0]!r} is to {row[column]} and has no label")
    return np.array([k for k, row in enumerate(table.cells) if row[column] == split], np.int32)
