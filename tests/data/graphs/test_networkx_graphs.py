import networkx
import numpy as np
import pytest

from mlr_jax.data.graphs.networkx_graphs import from_networkx, karate_club, to_networkx


def test_karate_club_is_zacharys():
    data = karate_club()
    adjacency = np.zeros((34, 34))
    adjacency[data.graph.senders, data.graph.receivers] = 1
    np.testing.assert_array_equal(adjacency, networkx.to_numpy_array(networkx.karate_club_graph(), weight=None))
    assert data.class_names == ("Mr. Hi", "Officer")
    assert data.y[data.train].tolist() == [0, 1]
    assert np.bincount(data.y).tolist() == [17, 17]
    assert sorted([*data.train, *data.test]) == list(range(34))


def test_features_labels_and_direction_are_kept():
    graph = networkx.DiGraph()
    graph.add_node("a", x=[1.0, 2.0], kind="k")
    graph.add_node("b", x=[3.0, 4.0])
    graph.add_edge("b", "a", w=7.0)
    data = from_networkx(graph, features=["x"], edge_features=["w"], label="kind")
    assert data.graph.nodes.tolist() == [[1, 2], [3, 4]]
    assert (data.graph.senders.tolist(), data.graph.receivers.tolist()) == ([1], [0])
    assert data.graph.edges.tolist() == [[7]]
    assert data.y.tolist() == [0, -1]


def test_there_and_back_is_the_same_graph():
    graph = networkx.gnp_random_graph(12, 0.3, seed=1)
    graph.add_edge(3, 3)
    graph.add_node(12)
    made = from_networkx(graph).graph
    assert len(made.senders) == 2 * graph.number_of_edges() - 1
    again = to_networkx(made)
    assert set(again.nodes) == set(graph.nodes)
    assert {frozenset(edge) for edge in again.edges} == {frozenset(edge) for edge in graph.edges}
    assert from_networkx(networkx.empty_graph(3)).graph.n_edge.tolist() == [0]


def test_a_feature_that_is_missing_or_of_another_length_is_named():
    graph = networkx.path_graph(3)
    graph.nodes[0]["x"] = graph.nodes[1]["x"] = 1.0
    with pytest.raises(ValueError, match=r"node 2 has no 'x'; it has nothing"):
        from_networkx(graph, features=["x"])
    graph.nodes[2]["x"] = [1.0, 2.0]
    with pytest.raises(ValueError, match="node 2 has 2 features, others have 1"):
        from_networkx(graph, features=["x"])
    with pytest.raises(ValueError, match="edge 0, 1 has no 'w'"):
        from_networkx(graph, edge_features=["w"])
