import jax
import numpy as np
import pytest
from graphs.tricky_graphs import (
    GRAPHS,
    MOVED,
    PADDED,
    PERMUTED,
    TOGETHER,
    TRICKY,
    by_graph,
    dense,
    random_graph,
    randomised,
)

from mlr_jax.graphs.isomorphism import GIN, GINLayer
from mlr_jax.graphs.readout import mean_nodes
from mlr_jax.ops.graph import Size, from_edges, node_mask, pack, pad, zero_padding

EPSILON = 1e-5
layer = GINLayer((5, 4), learn_epsilon=True)
VARIABLES = randomised(jax.jit(layer.init)(jax.random.key(0), PADDED))
network = GIN(2, (5, 4))
NETWORK = randomised(jax.jit(network.init)(jax.random.key(1), PADDED), 1)


def layer_by_hand(variables, graph, moments=None):
    """With the adjacency matrix, and the moments of batch normalisation from the variables or from the nodes."""
    params, stats = variables["params"], variables["batch_stats"]
    adjacency = np.zeros((len(graph.nodes), len(graph.nodes)))
    np.add.at(adjacency, (graph.receivers, graph.senders), 1)
    h = ((1 + params.get("epsilon", 0.0)) * np.eye(len(graph.nodes)) + adjacency) @ graph.nodes
    for index in range(2):
        h = dense(params[f"Dense_{index}"], h)
        name = f"BatchNorm_{index}"
        mean, var = (h.mean(0), h.var(0)) if moments == "batch" else (stats[name]["mean"], stats[name]["var"])
        h = np.maximum((h - mean) / np.sqrt(var + EPSILON) * params[name]["scale"] + params[name]["bias"], 0)
    return h


@jax.jit
def train(graph):
    """Nodes and moments after a step of training."""
    return layer.apply(VARIABLES, graph, train=True, mask=node_mask(graph), mutable=["batch_stats"])


def test_the_layer_equals_a_dense_computation():
    h = jax.jit(layer.apply)(VARIABLES, PADDED)
    for graph, part in zip(GRAPHS, by_graph(h).nodes, strict=True):
        np.testing.assert_allclose(part, layer_by_hand(VARIABLES, graph), rtol=1e-5, atol=1e-6)


def test_with_features_of_edges_each_edge_sends_its_own():
    with_edges = GINLayer((5, 4), use_edges=True)
    variables = randomised(jax.jit(with_edges.init)(jax.random.key(0), PADDED))
    h = jax.jit(with_edges.apply)(variables, PADDED)
    for graph, part in zip(GRAPHS, by_graph(h).nodes, strict=True):
        total = np.array(graph.nodes)
        for sender, receiver, edge in zip(graph.senders, graph.receivers, graph.edges, strict=True):
            total[receiver] += np.maximum(graph.nodes[sender] + dense(variables["params"]["edge"], edge), 0)
        alone = graph._replace(nodes=total, senders=graph.senders[:0], receivers=graph.receivers[:0])
        np.testing.assert_allclose(part, layer_by_hand(variables, alone), rtol=1e-5, atol=1e-6)


def test_in_training_the_moments_are_those_of_the_real_nodes_of_all_graphs():
    h, updated = train(PADDED)
    real = len(TOGETHER.nodes)
    np.testing.assert_allclose(h[:real], layer_by_hand(VARIABLES, TOGETHER, "batch"), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(h[real:], 0)
    first = (1 + VARIABLES["params"]["epsilon"]) * TOGETHER.nodes
    np.add.at(first, TOGETHER.receivers, TOGETHER.nodes[TOGETHER.senders])
    moved = 0.9 * VARIABLES["batch_stats"]["BatchNorm_0"]["mean"] + 0.1 * dense(
        VARIABLES["params"]["Dense_0"], first
    ).mean(0)
    np.testing.assert_allclose(updated["batch_stats"]["BatchNorm_0"]["mean"], moved, rtol=1e-4, atol=1e-6)


def test_moments_of_members_of_a_sweep_are_their_own():
    other = pad(pack(GRAPHS[:3]), Size(32, 40, 10))
    both = jax.tree.map(lambda *leaves: np.stack(leaves), PADDED, other)
    together = jax.vmap(train)(both)
    for member, graph in enumerate((PADDED, other)):
        alone = train(graph)
        jax.tree.map(lambda a, b, i=member: np.testing.assert_allclose(a[i], b, rtol=1e-5, atol=1e-6), together, alone)


def test_the_network_adds_the_scores_of_all_depths():
    scores = jax.jit(network.apply)(NETWORK, PADDED)
    params = NETWORK["params"]
    for graph, score in zip(GRAPHS, scores, strict=False):
        h, expected = graph.nodes, 0.0
        for depth in range(3):
            expected = expected + dense(params[f"Dense_{depth}"], h.sum(0))
            if depth < 2:
                part = {kind: NETWORK[kind][f"GINLayer_{depth}"] for kind in ("params", "batch_stats")}
                h = layer_by_hand(part, graph._replace(nodes=h))
        np.testing.assert_allclose(score, expected, rtol=1e-4, atol=1e-5)


def test_nodes_in_another_order_give_the_same_scores_and_the_same_nodes_in_that_order():
    apply = jax.jit(lambda graph: (layer.apply(VARIABLES, graph), network.apply(NETWORK, graph)))
    (h, scores), (moved, moved_scores) = apply(PADDED), apply(PERMUTED)
    for before, after, (_, order, _) in zip(by_graph(h).nodes, by_graph(moved).nodes, MOVED, strict=True):
        np.testing.assert_allclose(after, before[order], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(moved_scores, scores, rtol=1e-5, atol=1e-6)


def test_a_sum_tells_apart_what_a_mean_does_not():
    nodes = np.ones((3, 3), np.float32)
    one = from_edges(nodes, [1], [0])
    two = from_edges(nodes, [1, 2], [0, 0])
    h = [np.asarray(layer.apply(VARIABLES, graph))[0] for graph in (one, two)]
    assert np.abs(h[0] - h[1]).max() > 0.01


def test_many_layers_stay_finite_in_spite_of_thousands_of_padding_edges():
    padded = zero_padding(pad(random_graph(0, 4, 6), Size(8, 20_000, 2)))
    square = GINLayer((3,))
    variables = jax.jit(square.init)(jax.random.key(0), padded)
    apply = jax.jit(
        lambda graph: square.apply(variables, graph, train=True, mask=node_mask(graph), mutable=["batch_stats"])
    )
    graph = padded
    for _ in range(15):
        graph = graph._replace(nodes=apply(graph)[0])
    assert np.isfinite(graph.nodes).all()
    assert np.any(graph.nodes)


@pytest.mark.parametrize("name", ["no edges", "one node"])
def test_a_graph_without_any_edge_is_not_padded_to_have_one(name):
    graph = TRICKY[name]
    assert graph.senders.shape == (0,)
    np.testing.assert_allclose(layer.apply(VARIABLES, graph), layer_by_hand(VARIABLES, graph), rtol=1e-5, atol=1e-6)


def test_dropout_and_another_readout():
    other = GIN(2, (5, 4), dropout=0.5, readout=mean_nodes)
    apply = jax.jit(
        lambda key: other.apply(NETWORK, PADDED, train=True, rngs={"dropout": key}, mutable=["batch_stats"])
    )
    first, second = (apply(jax.random.key(seed))[0] for seed in (0, 1))
    assert not np.allclose(first, second)
    with pytest.raises(ValueError, match=r"dropout: got 1.5"):
        GIN(2, dropout=1.5).init(jax.random.key(0), PADDED)
    with pytest.raises(ValueError, match="widths: got"):
        GINLayer((0,)).init(jax.random.key(0), PADDED)
