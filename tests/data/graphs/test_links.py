import numpy as np
import pytest

from mlr_jax.data.graphs.links import split_links
from mlr_jax.data.graphs.random_graphs import planted_partition
from mlr_jax.data.graphs.records import both_ways, one_graph


def coded(pairs):
    return {(min(pair), max(pair)) for pair in pairs.tolist()}


def test_every_edge_is_in_one_part_and_no_drawn_pair_is_an_edge():
    graph = planted_partition(seed=0).graph
    links = split_links(graph, seed=1)
    whole = coded(np.stack([graph.senders, graph.receivers], axis=1))
    parts = [coded(links.train["pairs"])]
    for part, share in ((links.validation, 0.05), (links.test, 0.1)):
        edges, others = (part["pairs"][part["y"] == label] for label in (1, 0))
        assert len(edges) == len(others) == int(share * len(whole))
        assert not coded(others) & whole
        parts.append(coded(edges))
        parts.append(coded(others))
    assert sum(map(len, parts)) == len(set.union(*parts))
    assert parts[0] | parts[1] | parts[3] == whole
    assert coded(np.stack([links.graph.senders, links.graph.receivers], axis=1)) == parts[0]
    assert len(links.graph.senders) == 2 * len(parts[0])


def test_sizes_are_the_same_for_each_seed_and_the_edges_are_not():
    graph = planted_partition(seed=0).graph
    first, again, other = (split_links(graph, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.test["pairs"], again.test["pairs"])
    assert not np.array_equal(first.test["pairs"], other.test["pairs"])
    assert first.graph.senders.shape == other.graph.senders.shape


def test_self_loops_are_no_links():
    pairs = np.concatenate([np.array([[k, k] for k in range(20)]), np.array([[k, k + 1] for k in range(19)])])
    graph = one_graph(np.ones((20, 1)), *both_ways(pairs))
    links = split_links(graph, seed=0, validation=0.1, test=0.2)
    assert len(links.train["pairs"]) == 19 - 1 - 3
    assert (links.train["pairs"][:, 0] != links.train["pairs"][:, 1]).all()


def test_shares_and_graphs_that_leave_nothing_are_refused():
    graph = planted_partition(seed=0).graph
    with pytest.raises(ValueError, match="a part is empty"):
        split_links(graph, seed=0, validation=0.6, test=0.5)
    with pytest.raises(ValueError, match="a part is empty"):
        split_links(graph, seed=0, validation=1e-6)
    full = one_graph(np.ones((8, 1)), *both_ways(np.argwhere(np.triu(np.ones((8, 8)), 1))))
    with pytest.raises(ValueError, match="8 nodes have too few"):
        split_links(full, seed=0, validation=0.1, test=0.1)
