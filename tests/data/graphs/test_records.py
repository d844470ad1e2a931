import numpy as np
import pytest

from mlr_jax.data.graphs.records import (
    GraphSet,
    NodeSet,
    both_ways,
    check_graph_set,
    check_node_set,
    one_graph,
    one_hot,
)

NONE = np.array([], np.int32)


def triangle(**keywords):
    return one_graph(np.eye(3), np.array([2, 0, 1]), np.array([0, 1, 2]), **keywords)


def test_edges_are_sorted_by_receiver_and_take_their_features_along():
    graph = one_graph(np.eye(3), np.array([2, 1, 0]), np.array([1, 0, 1]), np.array([[21.0], [10.0], [1.0]]))
    assert graph.senders.tolist() == [1, 0, 2]
    assert graph.receivers.tolist() == [0, 1, 1]
    assert graph.edges[:, 0].tolist() == [10, 1, 21]
    assert graph.nodes.dtype == graph.edges.dtype == np.float32
    assert graph.senders.dtype == graph.n_node.dtype == np.int32


def test_undirected_edges_become_both_directions_once_and_a_loop_stays_one():
    senders, receivers = both_ways(np.array([[0, 1], [1, 0], [2, 2], [1, 2]]))
    assert sorted(zip(senders, receivers, strict=True)) == [(0, 1), (1, 0), (1, 2), (2, 1), (2, 2)]
    assert both_ways(np.zeros((0, 2), int))[0].shape == (0,)


def test_one_hot_marks_the_column():
    assert one_hot(np.array([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.eye(3), np.array([0, 3]), np.array([1, 2])), r"^set, graph 4: .*node 3 at edge 1"),
        ((np.eye(3), np.array([0, 1]), np.array([1, -1])), r"^set, graph 4: .*node -1 at edge 1"),
        ((np.eye(3), np.array([0]), np.array([1, 2])), r"^set, graph 4: "),
        ((np.eye(3), np.array([0.5]), np.array([1])), r"^set, graph 4: senders"),
        ((np.ones(3), np.array([0]), np.array([1])), r"^set, graph 4: nodes"),
        ((np.eye(3), np.array([0]), np.array([1]), np.ones((2, 1))), r"^set, graph 4: edges"),
        ((np.diag([1, np.nan, 1]), np.array([0]), np.array([1])), r"^set, graph 4: nodes are NaN or infinite in row 1"),
    ],
)
def test_what_does_not_fit_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        one_graph(*arguments, name="set, graph 4")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.array([0, 1])}, r"^my\.npz: labels must be \[3\]"),
        ({"y": np.array([0, 1, 2])}, r"^my\.npz, node 2: the label 2 is not one of the 2 classes"),
        ({"test": np.array([3])}, r"^my\.npz: test has node 3, which is not one of the 3 nodes"),
        ({"validation": np.array([2])}, r"^my\.npz: validation has node 2, which has no label"),
        ({"test": np.array([0])}, r"^my\.npz: test has node 0, which train has already"),
    ],
)
def test_a_label_or_a_split_of_a_node_that_is_not_there_is_named(change, message):
    good = NodeSet(triangle(), np.array([0, 1, -1]), np.array([0]), NONE, np.array([1]), ("a", "b"))
    assert check_node_set(good, "my.npz") is good
    with pytest.raises(ValueError, match=message):
        check_node_set(good._replace(**change), "my.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.array([0])}, "a label for each graph, got 2 and 1"),
        ({"y": np.array([0, 2])}, "graph 1: the label 2 is not a class"),
        ({"graphs": []}, "got 0 and 2"),
        ({"splits": {"test": np.array([2])}}, "test has graph 2, which is not one of the 2"),
        (
            {"graphs": [triangle(), triangle(edges=np.ones((3, 2)))]},
            r"graph 1: features .* \(3, 2\), before \(3, None\)",
        ),
    ],
)
def test_a_set_of_graphs_that_do_not_fit_is_refused(change, message):
    good = GraphSet([triangle(), triangle()], np.array([0, 1]), ("a", "b"), {"train": np.array([0])})
    assert check_graph_set(good) is good
    with pytest.raises(ValueError, match=message):
        check_graph_set(good._replace(**change), "set")
