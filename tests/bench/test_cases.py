"""Benchmarks' cases run in their short form, and nothing is compiled twice; times are not looked at."""

import math

import numpy as np
import pytest

from benchmarks.case import Asked, LeftOut, Program
from benchmarks.in_turn import measure, over_budget
from benchmarks.run import chosen

EVERY = chosen([])
ONE_OF_EACH_KIND = [
    "mlp/adam", "vision/lenet", "language/gru", "language/generate_1", "graphs/gin", "rl/cartpole", "sweep/mlp",
    "sweep/grid_ridge", "pipeline/batches", "checkpoint/restore", "scaling/length=64", "scaling/nodes=1000",
]  # fmt: skip
"""`python benchmarks/run.py --short` has them all."""


def measured(name, **asked):
    case = EVERY[name](Asked(short=True, **asked))
    return case, measure({**case.ours, **case.peers}, repeats=1, pause_s=0.0)


@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
def test_a_case_runs_and_its_calls_compile_nothing(name):
    case, found = measured(name)
    assert case.peers == {}
    assert case.items > 0
    for who, contestant in case.ours.items():
        is_program = isinstance(contestant, Program)
        assert not over_budget(contestant, found[who])
        assert (found[who].compile_s is not None) == is_program
        assert math.isfinite(found[who].number)
        assert found[who].cost.held or not is_program
    if "ours, scanned" in found:
        alone = found["ours, one step a call"]
        np.testing.assert_allclose(alone.number, found["ours, scanned"].number, rtol=1e-4)


def test_two_devices_share_the_batches_of_a_case():
    numbers = [measured("mlp/sgd", devices=count)[1]["ours, scanned"].number for count in (1, 2)]
    np.testing.assert_allclose(*numbers, rtol=1e-5)


def test_more_devices_than_are_asked_for_leave_a_case_out():
    with pytest.raises(LeftOut, match="--devices 1"):
        measured("scaling/devices=2")


@pytest.mark.parametrize(
    "name", ["linear_regression", "ridge", "lasso", "logistic", "linear_svm", "knn", "kmeans", "pca", "pca_all"]
)
def test_ours_and_scikit_learn_do_the_same_work(name):
    found = measured(f"classical/{name}", peers=True)[1]
    np.testing.assert_allclose(found["ours"].number, found["scikit-learn"].number, rtol=2e-3)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # PyTorch Geometric calls it
@pytest.mark.parametrize(
    "name", ["mlp/sgd", "vision/cnn", "language/gru", "language/generate_1", "graphs/gin", "pipeline/augmentation"]
)
def test_peers_in_pytorch_run_where_it_is_installed(name):
    pytest.importorskip("torch")
    case, found = measured(name, peers=True)
    assert case.peers
    assert all(math.isfinite(found[who].number) for who in case.peers)
