import jax
import numpy as np
import pytest
from graphs.tricky_graphs import GRAPHS, MOVED, PADDED, PERMUTED, TRICKY, by_graph, dense, mlp, randomised

from mlr_jax.graphs.message_passing import MPNN, EdgeNetwork

HIDDEN = 4
layer = EdgeNetwork(5, hidden=HIDDEN)
VARIABLES = randomised(jax.jit(layer.init)(jax.random.key(0), PADDED))
network = MPNN(2, width=5, steps=2, edge_hidden=HIDDEN, head=(6,))
NETWORK = randomised(jax.jit(network.init)(jax.random.key(1), PADDED), 1)


def messages_by_hand(params, graph):
    """With a matrix for each edge."""
    width = graph.nodes.shape[1]
    by_unit = np.asarray(params["message"]["kernel"]).reshape(-1, width, 5)  # that of the constant first
    messages = np.zeros((len(graph.nodes), 5))
    for sender, receiver, edge in zip(graph.senders, graph.receivers, graph.edges, strict=True):
        z = np.concatenate([[1.0], np.maximum(dense(params["edge"], edge), 0)])
        messages[receiver] += graph.nodes[sender] @ np.einsum("k,kio->io", z, by_unit)
    return messages


def gru_by_hand(params, h, x):
    """Cho et al., 2014, in Linen's form: the reset gate multiplies the hidden state's product."""
    sigmoid = lambda value: 1 / (1 + np.exp(-value))  # noqa: E731
    r = sigmoid(dense(params["ir"], x) + dense(params["hr"], h))
    z = sigmoid(dense(params["iz"], x) + dense(params["hz"], h))
    n = np.tanh(dense(params["in"], x) + r * dense(params["hn"], h))
    return (1 - z) * n + z * h


def network_by_hand(graph):
    params = NETWORK["params"]
    h = np.maximum(dense(params["embed"], graph.nodes), 0)
    for _ in range(2):
        h = gru_by_hand(params["GRUCell_0"], h, messages_by_hand(params["EdgeNetwork_0"], graph._replace(nodes=h)))
    read = np.maximum(dense(params["read"], np.concatenate([h, graph.nodes], 1)), 0).sum(0)
    return mlp(params["MLP_0"], read)


def test_messages_equal_those_of_a_matrix_for_each_edge():
    messages = jax.jit(layer.apply)(VARIABLES, PADDED)
    for graph, part in zip(GRAPHS, by_graph(messages).nodes, strict=True):
        np.testing.assert_allclose(part, messages_by_hand(VARIABLES["params"], graph), rtol=1e-5, atol=1e-6)


def test_edges_without_features_share_one_matrix():
    bare = PADDED._replace(edges=None)
    variables = jax.jit(layer.init)(jax.random.key(0), bare)
    expected = np.zeros((len(PADDED.nodes), 5))
    sent = PADDED.nodes @ np.asarray(variables["params"]["message"]["kernel"])
    np.add.at(expected, PADDED.receivers, sent[PADDED.senders])
    np.testing.assert_allclose(jax.jit(layer.apply)(variables, bare), expected, rtol=1e-5, atol=1e-6)


def test_a_graph_without_any_edge_is_not_padded_to_have_one():
    np.testing.assert_array_equal(layer.apply(VARIABLES, TRICKY["no edges"]), np.zeros((4, 5)))


def test_the_network_equals_the_same_computed_for_each_graph_by_hand():
    predictions = jax.jit(network.apply)(NETWORK, PADDED)
    for graph, prediction in zip(GRAPHS, predictions, strict=False):
        np.testing.assert_allclose(prediction, network_by_hand(graph), rtol=1e-4, atol=1e-5)


def test_nodes_and_edges_in_another_order_give_the_same_predictions():
    apply = jax.jit(lambda graph: (layer.apply(VARIABLES, graph), network.apply(NETWORK, graph)))
    (messages, predictions), (moved, moved_predictions) = apply(PADDED), apply(PERMUTED)
    for before, after, (_, order, _) in zip(by_graph(messages).nodes, by_graph(moved).nodes, MOVED, strict=True):
        np.testing.assert_allclose(after, before[order], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(moved_predictions, predictions, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("keywords", "message"), [({"steps": 0}, "must be at least 1"), ({"dropout": 1.0}, "dropout: got 1.0")]
)
def test_settings_that_make_no_sense_are_errors(keywords, message):
    with pytest.raises(ValueError, match=message):
        MPNN(1, **keywords).init(jax.random.key(0), PADDED)
