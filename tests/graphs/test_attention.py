import jax
import jax.numpy as jnp
import numpy as np
import pytest
from graphs.tricky_graphs import GRAPHS, MOVED, PADDED, PERMUTED, TRICKY, by_graph, dense, randomised, with_junk

from mlr_jax.graphs.attention import GAT, GraphAttention
from mlr_jax.ops.graph import from_edges, node_mask, zero_padding

LAYERS = {
    "GAT": GraphAttention(4, 3),
    "GAT averaged": GraphAttention(4, 3, concatenate=False),
    "GATv2": GraphAttention(4, 3, dynamic=True),
    "one head": GraphAttention(4),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def logit_by_hand(layer, params, head, *, z, x, i, j):
    part = slice(head * layer.features, (head + 1) * layer.features)
    if layer.dynamic:
        mine = dense(params["receiver"], x[i : i + 1])[0, part]
        return params["of_edge"][head] @ leaky(mine + z[j, part])
    return leaky(params["of_receiver"][head] @ z[i, part] + params["of_sender"][head] @ z[j, part])


def attention_by_hand(layer, params, graph):
    """Node by node, head by head: the weighted mean over the senders of its edges and the node itself."""
    z = dense(params["sender"], graph.nodes)
    out = np.zeros((len(z), layer.heads, layer.features))
    for i in range(len(z)):
        neighbours = [*graph.senders[graph.receivers == i], i]
        for head in range(layer.heads):
            logits = np.array([logit_by_hand(layer, params, head, z=z, x=graph.nodes, i=i, j=j) for j in neighbours])
            weights = np.exp(logits) / np.exp(logits).sum()
            out[i, head] = weights @ z[neighbours].reshape(-1, layer.heads, layer.features)[:, head]
    return (out.reshape(len(z), -1) if layer.concatenate else out.mean(1)) + params["bias"]


@pytest.fixture(scope="module")
def applied():
    """By layer: its variables, and a compiled application."""
    return {
        name: (randomised(jax.jit(layer.init)(jax.random.key(0), PADDED)), jax.jit(layer.apply))
        for name, layer in LAYERS.items()
    }


@every_layer
def test_layers_equal_loops_over_nodes_and_heads(name, applied):
    variables, apply = applied[name]
    parts = by_graph(apply(variables, PADDED)).nodes
    for graph, part in zip(GRAPHS, parts, strict=True):
        expected = attention_by_hand(LAYERS[name], variables["params"], graph)
        np.testing.assert_allclose(part, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("graph", ["no edges", "one node"])
def test_a_graph_that_is_not_padded_may_have_no_edge(graph, applied):
    variables, apply = applied["GAT"]
    expected = attention_by_hand(LAYERS["GAT"], variables["params"], TRICKY[graph])
    np.testing.assert_allclose(apply(variables, TRICKY[graph]), expected, rtol=1e-4, atol=1e-5)


@every_layer
def test_nodes_in_another_order_give_the_same_rows_in_that_order(name, applied):
    variables, apply = applied[name]
    before, after = (by_graph(apply(variables, graph)).nodes for graph in (PADDED, PERMUTED))
    for rows, moved, (_, order, _) in zip(before, after, MOVED, strict=True):
        np.testing.assert_allclose(moved, rows[order], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("junk", [1e6, np.nan])
@pytest.mark.parametrize("name", ["GAT", "GATv2"])
def test_junk_in_the_padding_changes_neither_values_nor_gradients(name, junk, applied):
    variables, _ = applied[name]

    @jax.jit
    def loss(variables, graph):
        h = LAYERS[name].apply(variables, zero_padding(graph))
        return jnp.sum(jnp.where(node_mask(graph)[:, None], jnp.square(h), 0))

    clean, dirty = (jax.value_and_grad(loss)(variables, graph) for graph in (PADDED, with_junk(PADDED, junk)))
    jax.tree.map(np.testing.assert_array_equal, clean, dirty)


@every_layer
def test_gradients_equal_finite_differences(name, applied):
    variables, _ = applied[name]
    direction = jax.tree.map(
        lambda leaf: np.random.default_rng(leaf.size).normal(size=leaf.shape).astype(np.float32), variables
    )
    with jax.enable_x64(True):

        @jax.jit
        def along(t):
            moved = jax.tree.map(lambda leaf, d: jnp.asarray(leaf, jnp.float64) + t * d, variables, direction)
            graph = PADDED._replace(nodes=jnp.asarray(PADDED.nodes, jnp.float64))
            return jnp.sum(jnp.sin(LAYERS[name].apply(moved, graph)))

        slope = jax.grad(along)(0.0)
        expected = (along(1e-6) - along(-1e-6)) / 2e-6
    np.testing.assert_allclose(slope, expected, rtol=1e-5)


def test_sown_weights_are_those_of_the_edges_in_order_then_of_the_nodes_and_sum_to_one(applied):
    variables, _ = applied["GAT"]
    graph = TRICKY["duplicate edges"]
    _, sown = LAYERS["GAT"].apply(variables, graph, mutable=["intermediates"])
    weights = np.asarray(sown["intermediates"]["attention"][0])
    assert weights.shape == (len(graph.senders) + len(graph.nodes), 3)
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-5)  # the same edge
    for i in range(len(graph.nodes)):
        mine = np.append(graph.receivers == i, np.arange(len(graph.nodes)) == i)
        np.testing.assert_allclose(weights[mine].sum(0), 1, rtol=1e-5)
    assert "intermediates" not in LAYERS["GAT"].init(jax.random.key(0), graph)


def test_only_dynamic_attention_ranks_neighbours_differently_from_node_to_node():
    """Nodes 0 and 1 both hear 2 and 3: in GAT the same of the two weighs more for both, whatever the weights are."""
    nodes = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    graph = from_edges(nodes, np.array([2, 3, 2, 3]), np.array([0, 0, 1, 1]))

    def disagreements(layer):
        def first_is_greater(key):
            variables = layer.init(key, graph)
            _, sown = layer.apply(variables, graph, mutable=["intermediates"])
            weights = sown["intermediates"]["attention"][0][:, 0]
            return jnp.array([weights[0] > weights[1], weights[2] > weights[3]])

        greater = jax.jit(jax.vmap(first_is_greater))(jax.random.split(jax.random.key(0), 200))
        return int(np.sum(greater[:, 0] != greater[:, 1]))

    assert disagreements(GraphAttention(4)) == 0
    assert disagreements(GraphAttention(4, dynamic=True)) > 10


def test_the_network_is_the_layers_with_elus_between():
    network = GAT((4,), 3, heads=2, output_heads=2)
    variables = randomised(jax.jit(network.init)(jax.random.key(0), PADDED))
    params = variables["params"]
    logits = by_graph(jax.jit(network.apply)(variables, PADDED)).nodes
    for graph, part in zip(GRAPHS, logits, strict=True):
        h = attention_by_hand(GraphAttention(4, 2), params["GraphAttention_0"], graph)
        h = np.where(h > 0, h, np.expm1(h))
        last = GraphAttention(3, 2, concatenate=False)
        expected = attention_by_hand(last, params["GraphAttention_1"], graph._replace(nodes=h))
        np.testing.assert_allclose(part, expected, rtol=1e-4, atol=1e-5)


def test_attention_is_dropped_in_training_alone():
    layer = GraphAttention(4, 3, dropout=0.6)
    variables = jax.jit(layer.init)(jax.random.key(0), PADDED)
    draws = jax.jit(jax.vmap(lambda key: layer.apply(variables, PADDED, train=True, rngs={"dropout": key})))
    values = draws(jax.random.split(jax.random.key(1), 4000))
    assert np.std(values[:, 0]) > 0.05
    np.testing.assert_allclose(np.mean(values, axis=0), layer.apply(variables, PADDED), atol=0.15)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (GAT((0,), 3), r"hidden: got \(0,\)"),
        (GAT((4,), 3, heads=0), r"heads: got \(0, 1\)"),
        (GAT((4,), 3, dropout=1.0), r"dropout: got 1.0"),
    ],
)
def test_wrong_sizes_are_named(network, message):
    with pytest.raises(ValueError, match=message):
        network.init(jax.random.key(0), PADDED)
