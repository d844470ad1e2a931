import networkx
import numpy as np
import pytest

from mlr_jax.data.graphs.networkx_graphs import to_networkx
from mlr_jax.data.graphs.random_graphs import (
    planted_partition,
    random_molecules,
    trees_and_cycles,
    uniform_graph,
)


def test_a_planted_partition_has_the_edges_and_words_that_were_asked_for():
    data = planted_partition(seed=0, num_nodes=900, within=6.0, between=2.0)
    graph, y = data.graph, data.y
    same = y[graph.senders] == y[graph.receivers]
    assert same.sum() / 900 == pytest.approx(6, abs=0.4)
    assert (~same).sum() / 900 == pytest.approx(2, abs=0.3)
    words = np.stack([graph.nodes[y == k].reshape(-1, 3, 20).mean((0, 2)) for k in range(3)])
    np.testing.assert_allclose(words, 0.03 + 0.12 * np.eye(3), atol=0.01)
    assert np.bincount(y[data.train]).tolist() == [10, 10, 10]
    assert len(data.train) + len(data.validation) + len(data.test) == 900
    pairs = set(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
    assert all((receiver, sender) in pairs for sender, receiver in pairs)


def test_trees_are_trees_and_the_others_have_one_cycle():
    data = trees_and_cycles(seed=1, num_graphs=40)
    for graph, label in zip(data.graphs, data.y, strict=True):
        drawn = to_networkx(graph)
        assert networkx.is_connected(drawn)
        assert networkx.is_tree(drawn) == (label == 0)
        assert drawn.number_of_edges() == len(graph.nodes) - 1 + label
        assert (graph.nodes.argmax(1) + 1 == np.minimum([degree for _, degree in drawn.degree], 4)).all()
    assert np.bincount(data.y).tolist() == [20, 20]


def test_molecules_keep_their_valences_and_differ():
    data = random_molecules(seed=2, num_graphs=30)
    for graph in data.graphs:
        assert networkx.is_connected(to_networkx(graph))
        assert graph.nodes.shape[1] == 26
    assert data.y.std() > 0.5


def test_a_large_graph_joins_mostly_nodes_of_one_class():
    data = uniform_graph(seed=0, num_nodes=2000, num_edges=20_000)
    same = data.y[data.graph.senders] == data.y[data.graph.receivers]
    assert data.graph.senders.shape == (20_000,)
    assert same.mean() == pytest.approx(0.925, abs=0.01)


@pytest.mark.parametrize("make", [planted_partition, trees_and_cycles, random_molecules])
def test_the_seed_says_all(make):
    first, again, other = (make(seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.y, again.y)
    assert not np.array_equal(first.y, other.y)


def test_numbers_that_make_no_graph_are_refused():
    with pytest.raises(ValueError, match="num_nodes: got 20001"):
        planted_partition(seed=0, num_nodes=20_001)
    with pytest.raises(ValueError, match="20 nodes a class"):
        planted_partition(seed=0, num_nodes=30)
    with pytest.raises(ValueError, match="more than there are nodes"):
        planted_partition(seed=0, within=200.0)
    with pytest.raises(ValueError, match="3 <= least <= most"):
        trees_and_cycles(seed=0, least=2)
    with pytest.raises(ValueError, match="4 nodes a class"):
        uniform_graph(seed=0, num_nodes=3, num_edges=1)
    with pytest.raises(ValueError, match="seed"):
        random_molecules(seed=-1)
