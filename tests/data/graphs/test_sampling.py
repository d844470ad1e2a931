import itertools

import numpy as np
import pytest

from mlr_jax.data.graphs.random_graphs import planted_partition
from mlr_jax.data.graphs.records import one_graph
from mlr_jax.data.graphs.sampling import choose, largest_block, neighbours_of, sample_block, sampled_nodes
from mlr_jax.ops.graph import Size


@pytest.fixture(scope="module")
def data():
    made = planted_partition(seed=0, within=8.0)
    edges = np.stack([made.graph.senders, made.graph.receivers], axis=1).astype(np.float32)
    return made._replace(graph=made.graph._replace(edges=edges))


def source(data, **changes):
    keywords = {"fanouts": (3, 2), "batch_size": 8, "seed": 0, **changes}
    return sampled_nodes(data.graph, data.y, data.train, **keywords)


def test_neighbours_are_the_edges_by_receiver():
    graph = one_graph(np.ones((4, 1)), np.array([3, 0, 2, 2]), np.array([1, 1, 3, 1]))
    shuffled = graph._replace(senders=graph.senders[[2, 0, 3, 1]], receivers=graph.receivers[[2, 0, 3, 1]])
    found = neighbours_of(shuffled)
    assert found.start.tolist() == [0, 0, 3, 3, 4]
    assert sorted(found.senders[0:3]) == [0, 2, 3]
    np.testing.assert_array_equal(shuffled.senders[found.rows], found.senders)


def test_choices_are_without_replacement_and_uniform():
    rng = np.random.default_rng(0)
    counts = np.array([0, 2, 3, 7])
    tallies = np.zeros((4, 7))
    for _ in range(4000):
        owner, number = choose(counts, 3, rng)
        assert len(set(zip(owner.tolist(), number.tolist(), strict=True))) == 0 + 2 + 3 + 3
        tallies[owner, number] += 1
    assert (tallies[1, :2] == 4000).all()
    assert (tallies[2, :3] == 4000).all()
    assert tallies[:3].sum() == 5 * 4000
    np.testing.assert_allclose(tallies[3] / 4000, 3 / 7, atol=0.03)


def test_a_block_holds_edges_of_the_graph_as_many_as_fan_outs_allow(data):
    neighbours = neighbours_of(data.graph)
    degree = np.diff(neighbours.start)
    seeds = data.train[:8]
    block = sample_block(neighbours, seeds, (3, 2), np.random.default_rng(0))
    assert block.nodes[:8].tolist() == seeds.tolist()
    assert len(np.unique(block.nodes)) == len(block.nodes)
    np.testing.assert_array_equal(block.nodes[block.senders], data.graph.senders[block.rows])
    np.testing.assert_array_equal(block.nodes[block.receivers], data.graph.receivers[block.rows])
    assert len(np.unique(block.rows)) == len(block.rows)
    taken = np.bincount(block.receivers, minlength=len(block.nodes))
    np.testing.assert_array_equal(taken[:8], np.minimum(degree[seeds], 3))
    assert set(taken[8:].tolist()) <= {0, 1, 2}
    first_hop = np.setdiff1d(block.senders[block.receivers < 8], np.arange(8))
    np.testing.assert_array_equal(taken[first_hop], np.minimum(degree[block.nodes[first_hop]], 2))


def test_with_large_fan_outs_a_block_is_the_whole_neighbourhood(data):
    neighbours = neighbours_of(data.graph)
    block = sample_block(neighbours, data.train[:1], (1000, 1000), np.random.default_rng(0))
    adjacency = np.zeros((300, 300), bool)
    adjacency[data.graph.receivers, data.graph.senders] = True
    one_hop = adjacency[data.train[0]]
    near = one_hop.copy()
    near[data.train[0]] = True
    two_hops = near | adjacency[near].any(0)
    assert set(block.nodes.tolist()) == set(np.flatnonzero(two_hops))
    assert len(block.rows) == adjacency[near].sum()


def test_batches_have_one_shape_and_each_seed_once_an_epoch(data):
    batches = list(itertools.islice(source(data).stream(0), 15))
    shapes = {tuple(np.shape(leaf) for leaf in (*batch["graph"][:4], batch["y"], batch["mask"])) for batch in batches}
    assert len(shapes) == 1
    seen = np.concatenate([batch["graph"].nodes[batch["mask"] > 0] for batch in batches])
    assert 118 <= len(seen) <= 120  # a node that a batch has twice counts once
    for batch in batches:
        graph, real = batch["graph"], int(batch["graph"].n_node[0])
        assert batch["mask"].sum() <= 8
        assert (graph.senders[: graph.n_edge[0]] < real).all()
        assert (graph.receivers[graph.n_edge[0] :] == len(graph.nodes) - 1).all()


def test_labels_and_features_of_edges_go_with_them(data):
    batch = next(source(data).stream(0))
    graph = batch["graph"]
    index = {row.tobytes(): k for k, row in enumerate(data.graph.nodes)}
    nodes = [index[row.tobytes()] for row in graph.nodes[: graph.n_node[0]]]
    for k in np.flatnonzero(batch["mask"]):
        assert batch["y"][k] == data.y[nodes[k]]
    ends = np.array(nodes)[np.stack([graph.senders, graph.receivers], axis=1)[: graph.n_edge[0]]]
    np.testing.assert_array_equal(graph.edges[: graph.n_edge[0]], ends)


def test_a_stream_can_be_entered_anywhere(data):
    made = source(data)
    late = list(itertools.islice(made.stream(0), 9))[6:]
    for batch, other in zip(late, made.stream(6), strict=False):
        np.testing.assert_array_equal(batch["graph"].nodes, other["graph"].nodes)
        np.testing.assert_array_equal(batch["graph"].senders, other["graph"].senders)
    first, other = (next(source(data, seed=seed).stream(0)) for seed in (0, 1))
    assert not np.array_equal(first["graph"].nodes, other["graph"].nodes)


def test_evaluation_has_every_seed_once_and_is_the_same_at_each_call(data):
    made = source(data, evaluation_fanouts=(50, 50))
    batches, again = list(made.evaluation()), list(made.evaluation())
    assert sum(batch["mask"].sum() for batch in batches) == len(data.train)
    for batch, other in zip(batches, again, strict=True):
        np.testing.assert_array_equal(batch["graph"].senders, other["graph"].senders)
    assert len({len(batch["mask"]) for batch in batches}) == 1


def test_a_size_bounds_any_block_and_a_smaller_one_is_refused(data):
    neighbours = neighbours_of(data.graph)
    assert largest_block(neighbours, 8, (3, 2)) == Size(8 + 24 + 48 + 1, 24 + 48, 2)
    assert largest_block(neighbours, 200, (30, 30)) == Size(301, len(data.graph.senders), 2)
    with pytest.raises(ValueError, match="size: got"):
        next(source(data, size=Size(10, 10, 2)).stream(0))
    assert next(source(data, size=Size(90, 80, 2)).stream(0))["mask"].shape == (90,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fanouts": ()}, "fanouts: at least one hop"),
        ({"fanouts": (3, 0)}, r"fanouts: .* got \(3, 0\)"),
        ({"evaluation_fanouts": (0,)}, "evaluation_fanouts: "),
        ({"batch_size": 0}, "batch_size"),
        ({"seed": -1}, "seed"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(data, changes, message):
    with pytest.raises(ValueError, match=message):
        source(data, **changes)


def test_labels_and_seeds_that_do_not_fit_are_refused(data):
    keywords = {"fanouts": (2,), "batch_size": 2, "seed": 0}
    with pytest.raises(ValueError, match="got 299 labels, one for each of the 300 nodes"):
        sampled_nodes(data.graph, data.y[:-1], data.train, **keywords)
    with pytest.raises(ValueError, match="seeds: got node 300 in row 1"):
        sampled_nodes(data.graph, data.y, np.array([0, 300]), **keywords)
    with pytest.raises(ValueError, match="seeds: node 4 in row 0 has no label"):
        sampled_nodes(data.graph, np.where(np.arange(300) == 4, -1, data.y), np.array([4, 5]), **keywords)
    two = data.graph._replace(n_node=np.array([100, 200]))
    with pytest.raises(ValueError, match="got 2 graphs side by side"):
        sampled_nodes(two, data.y, data.train, **keywords)
