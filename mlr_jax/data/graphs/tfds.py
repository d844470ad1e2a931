"""Graph sets of TensorFlow Datasets with the features of Open Graph Benchmark, such as ogbg_molpcba (Hu et al. 2020).

Read without TensorFlow from where TFDS has prepared them, as `mlr_jax.data.tfds` reads images.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlr_jax.data.graphs.records import GraphSet, check_graph_set, one_graph
from mlr_jax.data.tfds import data_source, prepared
from mlr_jax.ops.graph import GraphsTuple

FEATURES = ("node_feat", "edge_feat", "edge_index", "labels")

ATOM_CODES = (119, 5, 12, 12, 10, 6, 6, 2, 2)
"""How many values each column of a molecule's nodes has in Open Graph Benchmark: element, chirality, degree, charge,
hydrogens, radical electrons, hybridisation, aromatic, in a ring. Each column is a code, not a quantity."""

BOND_CODES = (5, 6, 2)
"""The same of its edges: kind of bond, stereochemistry, conjugated."""


def load_tfds(name: str, *, data_dir: str | Path | None = None, splits: Mapping[str, str] | None = None) -> GraphSet:
    """The graphs of a TFDS set; edges, which it has once, are there in both directions.

    Args:
        name: a TFDS name, or the folder of one prepared version.
        data_dir: where TFDS keeps its sets; by default `~/tensorflow_datasets`, or `$TFDS_DATA_DIR`.
        splits: what to read by name, such as {"train": "train[:1000]"}; by default all splits that the set has.

    `y` is float32 [G, T] with NaN where a task has no answer. Features are codes as floats, see `ATOM_CODES`.

    Raises:
        FileNotFoundError: the set is neither on disk nor can it be downloaded and prepared.
        ValueError: it is stored without random access or lacks a feature; or a graph is damaged: set, split and row.
    """
    builder = prepared(name, data_dir)
    missing = set(FEATURES) - set(builder.info.features)
    if missing:
        raise ValueError(f"{name} must have the features {', '.join(FEATURES)}, got {sorted(builder.info.features)}")
    splits = {split: split for split in builder.info.splits} if splits is None else splits
    graphs: list[GraphsTuple] = []
    labels: list[np.ndarray] = []
    rows = {}
    for split, read in splits.items():
        source = data_source(builder, read)
        rows[split] = np.arange(len(graphs), len(graphs) + len(source), dtype=np.int32)
        for k, example in enumerate(source):
            graphs.append(_graph(example, f"{name}, {split}, row {k}"))
            labels.append(np.asarray(example["labels"], np.float32))
    return check_graph_set(GraphSet(graphs, np.stack(labels), None, rows), name)


def _graph(example: Mapping[str, Any], name: str) -> GraphsTuple:
    pairs = np.asarray(example["edge_index"], np.int64).reshape(-1, 2)
    senders, receivers = np.concatenate([pairs, pairs[:, ::-1]]).T
    return one_graph(example["node_feat"], senders, receivers, np.tile(example["edge_feat"], (2, 1)), name=name)
