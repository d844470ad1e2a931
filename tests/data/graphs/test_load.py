import importlib.util
import sys

import numpy as np
import pytest

from mlr_jax.data.graphs import planetoid, tuples
from mlr_jax.data.graphs.load import joined, load_graphs, load_nodes, shipped
from mlr_jax.data.graphs.molecules import Molecule
from mlr_jax.data.graphs.random_graphs import planted_partition, trees_and_cycles
from mlr_jax.data.graphs.sdf import write_sdf


def write_molecules(path, count):
    bonds = np.array([[0, 1]])
    write_sdf(
        path, [Molecule("", ["C", "C"], np.zeros(2, int), bonds, np.array([1]), {"SOL": str(k)}) for k in range(count)]
    )


def test_nodes_are_found_by_word_file_and_folder(tmp_path):
    assert len(load_nodes("karate").y) == 34
    assert len(load_nodes("random").y) == 300
    planetoid.save_npz(tmp_path / "a.npz", planted_partition(seed=0))
    assert len(load_nodes(tmp_path / "a.npz").y) == 300
    (tmp_path / "edges.csv").write_text("a,b\n1,2\n")
    assert load_nodes(str(tmp_path)).class_names == ()
    (tmp_path / "nodes.csv").write_text("name,label\n2,x\n1,y\n")
    assert load_nodes(tmp_path / "edges.csv").class_names == ("x", "y")


def test_graphs_are_found_by_word_file_and_folder(tmp_path):
    assert load_graphs("random").class_names == ("tree", "cycle")
    assert load_graphs("random_molecules").class_names is None
    tuples.save_graphs(tmp_path / "a.npz", trees_and_cycles(seed=0, num_graphs=3))
    assert len(load_graphs(tmp_path / "a.npz").graphs) == 3
    write_molecules(tmp_path / "few.sdf", 4)
    assert load_graphs(tmp_path / "few.sdf", "SOL").y.tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="no tag <>; its tags: SOL"):
        load_graphs(tmp_path / "few.sdf")


def test_solubility_has_the_split_of_its_files(tmp_path):
    write_molecules(tmp_path / "solubility.train.sdf", 3)
    write_molecules(tmp_path / "solubility.test.sdf", 2)
    data = load_graphs(tmp_path)
    assert data.y.tolist() == [0, 1, 2, 0, 1]
    assert {name: rows.tolist() for name, rows in data.splits.items()} == {"train": [0, 1, 2], "test": [3, 4]}


def test_a_package_is_located_and_never_imported(tmp_path, monkeypatch):
    package = tmp_path / "grakel"
    (package / "tests/data/MUTAG").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    for part, text in {"A": "1,2\n", "graph_indicator": "1\n1\n", "graph_labels": "1\n"}.items():
        (package / f"tests/data/MUTAG/MUTAG_{part}.txt").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    assert shipped("grakel", "tests/data/MUTAG") == package / "tests/data/MUTAG"
    assert len(load_graphs("mutag").graphs) == 1
    assert "grakel" not in sys.modules


def test_what_is_not_there_is_said_in_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match="MUTAG is shipped by the package no_such_package"):
        shipped("no_such_package", "data/MUTAG")
    with pytest.raises(FileNotFoundError, match="no graph at 'cora'; allowed are random, karate"):
        load_nodes("cora")
    with pytest.raises(FileNotFoundError, match="no graphs at 'mutagg'; allowed are random, random_molecules, mutag"):
        load_graphs("mutagg")
    for name in ("one", "two"):
        (tmp_path / f"ind.{name}.x").write_bytes(b"")
    with pytest.raises(ValueError, match="holds several sets, one, two"):
        load_nodes(tmp_path)


def test_sets_with_other_classes_are_not_joined():
    data = trees_and_cycles(seed=0, num_graphs=2)
    with pytest.raises(ValueError, match="the same classes"):
        joined({"train": data, "test": data._replace(class_names=("a", "b"))})
