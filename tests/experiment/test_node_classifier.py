from dataclasses import replace

import jax
import numpy as np
import pytest

from mlr_jax.core.keep_best import KeptState
from mlr_jax.core.types import TrainState
from mlr_jax.data.graphs import planetoid
from mlr_jax.data.graphs.random_graphs import planted_partition
from mlr_jax.experiment.node_classifier import NodeSettings, node_classifier
from mlr_jax.graphs.convolution import GCN
from mlr_jax.ops.sparse import SparseMatrix

CONFIG = NodeSettings(seeds=2, steps=10)


def build(config):
    return node_classifier(config, lambda classes: GCN((4,), classes))


def test_splits_are_one_batch_with_other_masks_and_no_node_is_in_two():
    data, experiment = planted_partition(seed=0), build(CONFIG)
    batches = {"train": experiment.source.batch}
    batches |= {split: next(evaluation()) for split, evaluation in experiment.evaluations.items()}
    assert list(batches) == ["train", "val", "test"]
    for (_, batch), nodes in zip(batches.items(), (data.train, data.validation, data.test), strict=True):
        np.testing.assert_array_equal(np.flatnonzero(batch["mask"]), np.sort(nodes))
        assert batch["graph"].nodes is experiment.source.batch["graph"].nodes
    assert np.sum([batch["mask"] for batch in batches.values()]) == len(data.y)
    np.testing.assert_allclose(np.sum(batches["train"]["graph"].nodes, axis=1).max(), 1, rtol=1e-6)


def test_large_bags_of_words_are_sparse(tmp_path):
    planetoid.save_npz(tmp_path / "set.npz", planted_partition(seed=0, num_nodes=400, num_words=200))
    nodes = build(replace(CONFIG, data=str(tmp_path / "set.npz"))).source.batch["graph"].nodes
    assert isinstance(nodes, SparseMatrix)
    assert nodes.shape == (400, 200)


def test_the_step_is_chosen_where_there_are_validation_nodes():
    for data, kind in (("random", KeptState), ("karate", TrainState)):
        experiment = build(replace(CONFIG, data=data))
        state = jax.eval_shape(experiment.learner.init, jax.random.key(0), experiment.hypers)
        assert isinstance(state, kind)
        assert ("val" in experiment.evaluations) == (kind is KeptState)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parallel": "data"}, r"--parallel: got data, one whole graph cannot be cut: allowed is members"),
        ({"chosen_by": ()}, r"--chosen-by: got nothing"),
        ({"data": "nowhere.npz"}, r"--data: no .npz file at nowhere.npz"),
    ],
)
def test_what_cannot_run_is_said_in_one_line(changes, message):
    with pytest.raises(ValueError, match=message):
        build(replace(CONFIG, **changes))


def test_a_graph_without_labels_cannot_train(tmp_path):
    (tmp_path / "edges.csv").write_text("sender,receiver\n0,1\n1,2\n")
    with pytest.raises(ValueError, match=r"--data .*: no nodes to train on or none to test on"):
        build(replace(CONFIG, data=str(tmp_path / "edges.csv")))
