import pickle

import numpy as np
import pytest
import scipy.sparse

from mlr_jax.data.graphs import planetoid
from mlr_jax.data.graphs.random_graphs import planted_partition

WORDS, CLASSES = 4, 2


@pytest.fixture(scope="module")
def data():
    return planted_partition(seed=3, num_nodes=60)


def save(path, data, **changes):
    planetoid.save_npz(path, data)
    with np.load(path) as file:
        arrays = {**file, **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_a_set_survives_being_written_and_read(tmp_path, data):
    read = planetoid.load_npz(save(tmp_path / "a.npz", data))
    for name in ("nodes", "senders", "receivers", "n_node", "n_edge"):
        np.testing.assert_array_equal(getattr(read.graph, name), getattr(data.graph, name))
    for name in ("y", "train", "validation", "test"):
        np.testing.assert_array_equal(getattr(read, name), getattr(data, name))


def test_rows_are_normalised_and_empty_ones_stay():
    nodes = planetoid.normalise_rows(np.array([[1.0, 3.0], [0.0, 0.0]]))
    assert nodes.tolist() == [[0.25, 0.75], [0, 0]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": None}, "lacks edges"),
        ({"edges": np.array([[0, 1], [5, 60]])}, r"edges, row 1: \[5, 60\] is not a pair of the 60 nodes"),
        ({"edges": np.array([[0, 1, 2]])}, r"edges must be \[E, 2\]"),
        ({"labels": np.zeros(59, int)}, r"labels must be \[60\], one for each node"),
        ({"labels": np.zeros(60)}, "labels must be numbers of kind integer"),
        ({"train": np.array([60])}, "train has node 60, which is not one of the 60 nodes"),
        ({"feature_row": np.array([0])}, r"features: rows, columns and values must be \[M\]"),
        (
            {"shape": np.array([60, 10])},
            r"features, value \d+: place \(\d+, \d+\) is not in a matrix of shape \(60, 10\)",
        ),
        ({"labels": np.array([{}] * 60)}, "is not a citation graph in .npz: Object arrays cannot be loaded"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_its_name(tmp_path, data, changes, message):
    path = save(tmp_path / "bad.npz", data, **changes)
    with pytest.raises(ValueError, match=message) as error:
        planetoid.load_npz(path)
    assert str(error.value).startswith(str(path))


def test_a_file_that_is_missing_or_no_archive_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no .npz file at .*none.npz"):
        planetoid.load_npz(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("not an archive")
    with pytest.raises(ValueError, match=r"text.npz is not a citation graph"):
        planetoid.load_npz(tmp_path / "text.npz")


# Nodes 0 to 4 are in allx, of which 0 and 1 train; 5 is in no file; 7 and 6 test, in this order.
FEATURES = np.arange(1, 8 * WORDS + 1).reshape(8, WORDS).astype(np.float32) * (np.arange(8) != 5)[:, None]
ANSWERS = np.eye(CLASSES, dtype=np.int32)[[0, 1, 0, 1, 0, 0, 1, 0]]
NEIGHBOURS = {0: [1, 2, 2], 1: [0], 2: [0], 3: [3], 4: [6], 5: [], 6: [4], 7: [0]}


def raw_parts():
    return {
        "x": scipy.sparse.csr_matrix(FEATURES[:2]), "y": ANSWERS[:2],
        "tx": scipy.sparse.csr_matrix(FEATURES[[7, 6]]), "ty": ANSWERS[[7, 6]],
        "allx": scipy.sparse.csr_matrix(FEATURES[:5]), "ally": ANSWERS[:5],
        "graph": NEIGHBOURS, "test.index": b"7\n6\n",
    }  # fmt: skip


def write_raw(folder, protocol=2, **changes):
    for part, value in {**raw_parts(), **changes}.items():
        content = value if isinstance(value, bytes) else pickle.dumps(value, protocol)
        (folder / f"ind.tiny.{part}").write_bytes(content)
    return folder


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_raw_files_are_put_together(tmp_path, protocol):
    data = planetoid.load_raw(write_raw(tmp_path, protocol), "tiny")
    np.testing.assert_array_equal(data.graph.nodes, FEATURES)
    assert data.y.tolist() == [0, 1, 0, 1, 0, -1, 1, 0]
    assert [part.tolist() for part in (data.train, data.validation, data.test)] == [[0, 1], [2, 3, 4], [6, 7]]
    pairs = set(zip(data.graph.senders.tolist(), data.graph.receivers.tolist(), strict=True))
    assert pairs == {(0, 1), (1, 0), (0, 2), (2, 0), (3, 3), (4, 6), (6, 4), (7, 0), (0, 7)}
    assert len(data.graph.senders) == 9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test.index": b"7\nsix\n"}, r"test\.index, line 2: got 'six', whole numbers are needed"),
        ({"test.index": b"7\n3\n"}, r"test\.index, line 2: node 3; each must be named once, after the 5 of allx"),
        ({"test.index": b"7\n"}, r"test\.index has 1 lines, tx 2 rows"),
        ({"graph": {**NEIGHBOURS, 4: [8]}}, r"graph: 4: \[8\] must be a node and a list of nodes, of 0 to 7"),
        ({"graph": [1, 2]}, "graph must hold a dict of lists, got list"),
        ({"ally": ANSWERS[:4]}, r"allx has shape \[5, 4\] and its labels \[4, 2\]"),
        ({"x": {"a": 1}}, r"\.x must hold a matrix of numbers, got dict"),
        ({"y": b"\x80\x02junk"}, r"\.y cannot be read as arrays"),
    ],
)
def test_raw_files_that_do_not_fit_are_refused_by_name(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message) as error:
        planetoid.load_raw(write_raw(tmp_path, **changes), "tiny")
    assert str(tmp_path / "ind.tiny") in str(error.value)


def test_a_raw_file_that_is_missing_is_named(tmp_path):
    write_raw(tmp_path)
    (tmp_path / "ind.tiny.graph").unlink()
    with pytest.raises(FileNotFoundError, match=r"no file at .*ind\.tiny\.graph"):
        planetoid.load_raw(tmp_path, "tiny")
