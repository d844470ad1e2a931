import jraph
import numpy as np
import pytest

from mlr_jax.data.graphs.random_graphs import random_molecules, trees_and_cycles
from mlr_jax.data.graphs.records import GraphSet
from mlr_jax.data.graphs.tuples import load_npz, save_graphs


@pytest.fixture(scope="module")
def data():
    made = trees_and_cycles(seed=0, num_graphs=6)
    return made._replace(splits={"train": np.arange(4, dtype=np.int32), "test": np.array([4, 5], np.int32)})


def same(left: GraphSet, right: GraphSet):
    np.testing.assert_array_equal(left.y, right.y)
    assert left.y.dtype == right.y.dtype
    assert left.class_names == right.class_names
    assert {name: rows.tolist() for name, rows in left.splits.items()} == {
        name: rows.tolist() for name, rows in right.splits.items()
    }
    for first, second in zip(left.graphs, right.graphs, strict=True):
        for name in ("nodes", "edges", "senders", "receivers", "n_node", "n_edge"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_a_set_survives_being_written_and_read(tmp_path, data):
    for made in (
        data,
        random_molecules(seed=1, num_graphs=5),
        data._replace(y=np.ones((6, 2), np.float32), class_names=None),
    ):
        save_graphs(tmp_path / "a.npz", made)
        same(load_npz(tmp_path / "a.npz"), made)


def test_what_jraph_has_batched_is_read(tmp_path, data):
    batched = jraph.batch_np(data.graphs)
    fields = {name: getattr(batched, name) for name in ("nodes", "senders", "receivers", "n_node", "n_edge")}
    np.savez(tmp_path / "a.npz", y=data.y, class_names=np.array(data.class_names), **fields)
    same(load_npz(tmp_path / "a.npz"), data._replace(splits={}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"senders": None}, "it lacks senders"),
        ({"y": np.zeros(5)}, "a label for each graph, got 6 and 5"),
        ({"n_node": np.array([1, 2])}, "n_node must be whole numbers .* got 3"),
        ({"class_names": np.array(["a"])}, "graph 0: the label 1 is not a class"),
        ({"split_test": np.array([6])}, "test has graph 6, which is not one of the 6"),
        ({"nodes": np.array([{}])}, "Object arrays cannot be loaded"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_its_name(tmp_path, data, changes, message):
    save_graphs(tmp_path / "a.npz", data._replace(y=np.ones(6, np.int32)))
    with np.load(tmp_path / "a.npz") as file:
        arrays = {**file, **changes}
    np.savez(tmp_path / "a.npz", **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(ValueError, match=message) as error:
        load_npz(tmp_path / "a.npz")
    assert str(error.value).startswith(str(tmp_path / "a.npz"))


def test_an_edge_into_another_graph_is_named(tmp_path, data):
    save_graphs(tmp_path / "a.npz", data)
    with np.load(tmp_path / "a.npz") as file:
        arrays = dict(file)
    first_of_third = arrays["n_edge"][:2].sum()
    arrays["senders"][first_of_third] = 0
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=r"a\.npz, graph 2: senders: got node -\d+ at edge 0"):
        load_npz(tmp_path / "a.npz")


def test_files_that_are_missing_or_no_archive_and_globals_are_refused(tmp_path, data):
    with pytest.raises(FileNotFoundError, match=r"no \.npz file at"):
        load_npz(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("no")
    with pytest.raises(ValueError, match=r"text\.npz is not a set of graphs"):
        load_npz(tmp_path / "text.npz")
    graph = data.graphs[0]._replace(globals=np.ones((1, 2)))
    with pytest.raises(ValueError, match="globals cannot be kept"):
        save_graphs(tmp_path / "b.npz", GraphSet([graph], data.y[:1]))
