import importlib
from pathlib import Path

import numpy as np
import pytest

from mlr_jax.data.graphs.load import load_graphs
from mlr_jax.data.graphs.tfds import load_tfds


@pytest.fixture(scope="module", autouse=True)
def builder_module():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent.parent))
        yield [importlib.import_module(name) for name in ("tiny_graphs_tfds", "tiny_tfds")]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    load_tfds("tiny_graphs", data_dir=folder)
    return folder


def test_all_splits_are_read_with_edges_in_both_directions(data_dir):
    data = load_tfds("tiny_graphs", data_dir=data_dir)
    assert {name: len(rows) for name, rows in data.splits.items()} == {"train": 5, "validation": 2, "test": 2}
    assert data.class_names is None
    assert data.y.shape == (9, 2)
    assert np.isnan(data.y[:, 1]).all()
    assert sorted(data.y[data.splits["test"], 0]) == [7, 8]
    for graph, (label, _) in zip(data.graphs, data.y, strict=True):
        count = int(label) + 1
        assert graph.nodes.tolist() == [[label] * 9] * count
        assert len(graph.senders) == 2 * (count - 1)
        pairs = set(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
        assert pairs == {(k + j, k + 1 - j) for k in range(count - 1) for j in (0, 1)}
        for sender, receiver, features in zip(graph.senders, graph.receivers, graph.edges, strict=True):
            assert abs(int(sender) - int(receiver)) == 1
            assert features[0] == 3 * min(sender, receiver)


def test_a_part_of_a_split_is_read_by_name_or_folder(data_dir):
    data = load_tfds("tiny_graphs", data_dir=data_dir, splits={"few": "train[:2]"})
    assert len(data.graphs) == 2
    assert data.splits["few"].tolist() == [0, 1]
    assert len(load_graphs(f"tfds:{data_dir / 'tiny_graphs' / '1.0.0'}").graphs) == 9


def test_what_is_no_set_of_graphs_is_refused(data_dir):
    with pytest.raises(ValueError, match="tiny_images must have the features node_feat, edge_feat, edge_index, labels"):
        load_tfds("tiny_images", data_dir=data_dir)
    with pytest.raises(FileNotFoundError, match="no TFDS set 'tiny_grafs'"):
        load_tfds("tiny_grafs", data_dir=data_dir)
