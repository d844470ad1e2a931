import jax
import jax.numpy as jnp
import numpy as np
import pytest
from graphs.tricky_graphs import GRAPHS, MOVED, PADDED, PERMUTED, TRICKY, by_graph, dense, randomised, with_junk

from mlr_jax.graphs.convolution import GCN, GraphConvolution, GraphSAGE, SampleAndAggregate
from mlr_jax.ops.graph import node_mask, zero_padding
from mlr_jax.ops.sparse import sparse_matrix


def adjacency_of(graph):
    """A_ij: the number of edges j -> i."""
    adjacency = np.zeros((len(graph.nodes), len(graph.nodes)))
    np.add.at(adjacency, (graph.receivers, graph.senders), 1)
    return adjacency


def convolution_by_hand(params, graph):
    with_self = adjacency_of(graph) + np.eye(len(graph.nodes))
    scale = np.diag(1 / np.sqrt(with_self.sum(1)))
    return scale @ with_self @ scale @ dense(params["Linear_0"], graph.nodes) + params["bias"]


def mean_by_hand(params, graph):
    adjacency = adjacency_of(graph)
    mean = adjacency @ graph.nodes / np.maximum(adjacency.sum(1, keepdims=True), 1)
    return dense(params["self"], graph.nodes) + dense(params["neighbours"], mean)


def max_by_hand(params, graph):
    pooled = np.maximum(dense(params["pool"], graph.nodes), 0)
    rows = [pooled[graph.senders[graph.receivers == i]] for i in range(len(graph.nodes))]
    greatest = np.stack([row.max(0) if len(row) else np.zeros(pooled.shape[1]) for row in rows])
    return dense(params["self"], graph.nodes) + dense(params["neighbours"], greatest)


def unit_mean_by_hand(params, graph):
    h = mean_by_hand(params, graph)
    return h / np.linalg.norm(h, axis=1, keepdims=True)


LAYERS = {
    "GCN": (GraphConvolution(4), convolution_by_hand),
    "GraphSAGE mean": (SampleAndAggregate(4), mean_by_hand),
    "GraphSAGE max": (SampleAndAggregate(4, "max"), max_by_hand),
    "GraphSAGE of unit length": (SampleAndAggregate(4, normalise=True), unit_mean_by_hand),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


@pytest.fixture(scope="module")
def applied():
    """By layer: its variables, and a compiled application."""
    return {
        name: (randomised(jax.jit(layer.init)(jax.random.key(0), PADDED)), jax.jit(layer.apply))
        for name, (layer, _) in LAYERS.items()
    }


@every_layer
def test_layers_equal_a_dense_computation_on_every_graph(name, applied):
    variables, apply = applied[name]
    parts = by_graph(apply(variables, PADDED)).nodes
    for graph, part in zip(GRAPHS, parts, strict=True):
        np.testing.assert_allclose(part, LAYERS[name][1](variables["params"], graph), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("graph", ["no edges", "one node"])
@every_layer
def test_a_graph_that_is_not_padded_may_have_no_edge(name, graph, applied):
    variables, apply = applied[name]
    expected = LAYERS[name][1](variables["params"], TRICKY[graph])
    np.testing.assert_allclose(apply(variables, TRICKY[graph]), expected, rtol=1e-4, atol=1e-5)


@every_layer
def test_nodes_in_another_order_give_the_same_rows_in_that_order(name, applied):
    variables, apply = applied[name]
    before, after = (by_graph(apply(variables, graph)).nodes for graph in (PADDED, PERMUTED))
    for rows, moved, (_, order, _) in zip(before, after, MOVED, strict=True):
        np.testing.assert_allclose(moved, rows[order], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("junk", [1e6, np.nan])
@every_layer
def test_junk_in_the_padding_changes_neither_values_nor_gradients(name, junk, applied):
    variables, _ = applied[name]
    layer = LAYERS[name][0]

    @jax.jit
    def loss(variables, graph):
        h = layer.apply(variables, zero_padding(graph))
        return jnp.sum(jnp.where(node_mask(graph)[:, None], jnp.square(h), 0))

    clean, dirty = (jax.value_and_grad(loss)(variables, graph) for graph in (PADDED, with_junk(PADDED, junk)))
    jax.tree.map(np.testing.assert_array_equal, clean, dirty)


def test_without_zeroed_padding_values_of_real_nodes_are_right_all_the_same(applied):
    for variables, apply in applied.values():
        clean, dirty = (by_graph(apply(variables, graph)).nodes for graph in (PADDED, with_junk(PADDED, np.nan)))
        jax.tree.map(np.testing.assert_array_equal, clean, dirty)


@pytest.mark.parametrize("network", [GCN((5,), 3), GraphSAGE((5,), 3), GraphSAGE((5,), 3, aggregate="max")])
def test_a_network_on_sparse_features_equals_the_one_on_dense(network):
    rng = np.random.default_rng(0)
    words = np.where(rng.random(PADDED.nodes.shape) < 0.5, PADDED.nodes, 0)
    rows, columns = np.nonzero(words)
    sparse = sparse_matrix(rows, columns, words[rows, columns], words.shape)
    variables = randomised(jax.jit(network.init)(jax.random.key(0), PADDED._replace(nodes=words)))

    def loss(variables, nodes):
        logits = network.apply(variables, PADDED._replace(nodes=nodes))
        return jnp.sum(jnp.sin(logits)), logits

    both = jax.jit(jax.value_and_grad(loss, has_aux=True))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        both(variables, words),
        both(variables, sparse),
    )


def test_the_network_is_the_layers_with_relus_between():
    network = GCN((5, 4), 3)
    variables = randomised(jax.jit(network.init)(jax.random.key(0), PADDED))
    params = variables["params"]
    logits = by_graph(jax.jit(network.apply)(variables, PADDED)).nodes
    for graph, part in zip(GRAPHS, logits, strict=True):
        h = graph.nodes
        for depth in range(2):
            h = np.maximum(convolution_by_hand(params[f"GraphConvolution_{depth}"], graph._replace(nodes=h)), 0)
        expected = convolution_by_hand(params["GraphConvolution_2"], graph._replace(nodes=h))
        np.testing.assert_allclose(part, expected, rtol=1e-4, atol=1e-5)


def test_dropout_is_random_in_training_alone():
    network = GCN((8,), 3, dropout=0.5)
    variables = jax.jit(network.init)(jax.random.key(0), PADDED)
    train = jax.jit(lambda key: network.apply(variables, PADDED, train=True, rngs={"dropout": key}))
    assert not np.allclose(train(jax.random.key(0)), train(jax.random.key(1)))
    linear = GCN((), 3, dropout=0.5)  # of one layer dropout changes the mean of nothing
    variables = jax.jit(linear.init)(jax.random.key(0), PADDED)
    draws = jax.jit(jax.vmap(lambda key: linear.apply(variables, PADDED, train=True, rngs={"dropout": key})))
    mean = np.mean(draws(jax.random.split(jax.random.key(2), 4000)), axis=0)
    np.testing.assert_allclose(mean, linear.apply(variables, PADDED), atol=0.1)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (GCN((0,), 3), r"hidden: got \(0,\)"),
        (GCN((4,), 3, dropout=1.0), r"dropout: got 1.0"),
        (GraphSAGE((4,), 3, aggregate="sum"), r"aggregate: got 'sum', allowed are mean, max"),
    ],
)
def test_wrong_sizes_are_named(network, message):
    with pytest.raises(ValueError, match=message):
        network.init(jax.random.key(0), PADDED)
