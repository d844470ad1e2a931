import jax
import jax.numpy as jnp
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
    mlp,
    randomised,
)

from mlr_jax.graphs.graph_network import GraphNetwork, GraphNetworkBlock

WIDTHS = {"edge": (6, 3), "node": (5, 4), "graph": (4, 2)}
blocks = {both_ends: GraphNetworkBlock(**WIDTHS, both_ends=both_ends) for both_ends in (False, True)}
VARIABLES = {both: randomised(jax.jit(block.init)(jax.random.key(0), PADDED)) for both, block in blocks.items()}


def block_by_hand(params, graph, both_ends=False):
    """Algorithm 1 of the paper, edge by edge and node by node."""
    [u] = graph.globals
    edges = np.array([
        mlp(params, np.concatenate([edge, graph.nodes[sender], graph.nodes[receiver], u]), "edge")
        for edge, sender, receiver in zip(graph.edges, graph.senders, graph.receivers, strict=True)
    ]).reshape(-1, 3)  # fmt: skip
    nodes = []
    for index, node in enumerate(graph.nodes):
        parts = [node, edges[graph.receivers == index].sum(0), u]
        parts += [edges[graph.senders == index].sum(0)] if both_ends else []
        nodes.append(mlp(params, np.concatenate(parts), "node"))
    nodes = np.array(nodes)
    return nodes, edges, mlp(params, np.concatenate([nodes.sum(0), edges.sum(0), u]), "graph")


@pytest.mark.parametrize("both_ends", [False, True])
def test_the_block_equals_the_algorithm_of_the_paper(both_ends):
    out = jax.jit(blocks[both_ends].apply)(VARIABLES[both_ends], PADDED)
    parts = by_graph(out.nodes, out.edges)
    for index, graph in enumerate(GRAPHS):
        nodes, edges, u = block_by_hand(VARIABLES[both_ends]["params"], graph, both_ends)
        np.testing.assert_allclose(parts.nodes[index], nodes, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(parts.edges[index], edges, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(out.globals[index], u, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(out.senders, PADDED.senders)


def test_nodes_and_edges_in_another_order_come_out_in_that_order():
    apply = jax.jit(blocks[True].apply)
    out, moved = (apply(VARIABLES[True], graph) for graph in (PADDED, PERMUTED))
    before, after = by_graph(out.nodes, out.edges), by_graph(moved.nodes, moved.edges)
    for index, (_, order, edge_order) in enumerate(MOVED):
        np.testing.assert_allclose(after.nodes[index], before.nodes[index][order], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(after.edges[index], before.edges[index][edge_order], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(moved.globals[: len(GRAPHS)], out.globals[: len(GRAPHS)], rtol=1e-4, atol=1e-5)


def test_a_graph_may_come_with_nodes_alone():
    bare = PADDED._replace(edges=None, globals=None)
    variables = jax.jit(blocks[False].init)(jax.random.key(0), bare)
    assert variables["params"]["edge_0"]["kernel"].shape == (6, 6)
    out = jax.eval_shape(blocks[False].apply, variables, bare)
    assert (out.nodes.shape, out.edges.shape, out.globals.shape) == ((32, 4), (40, 3), (10, 2))


def test_the_network_reads_the_last_globals():
    network = GraphNetwork(2, width=3, blocks=2)
    variables = randomised(jax.jit(network.init)(jax.random.key(0), PADDED))
    predictions = jax.jit(network.apply)(variables, PADDED)
    for graph, prediction in zip(GRAPHS, predictions, strict=False):
        for index in range(2):
            parts = block_by_hand(variables["params"][f"GraphNetworkBlock_{index}"], graph)
            nodes, edges, u = (np.maximum(part, 0) for part in parts)
            graph = graph._replace(nodes=nodes, edges=edges, globals=u[None])  # noqa: PLW2901
        np.testing.assert_allclose(prediction, dense(variables["params"]["Dense_0"], u), rtol=1e-4, atol=1e-4)
    assert jnp.isfinite(predictions).all()
    assert len(predictions) == len(PADDED.n_node) > len(TOGETHER.n_node)


def test_a_graph_without_any_edge_is_not_padded_to_have_one():
    graph = TRICKY["no edges"]
    out = jax.jit(blocks[False].apply)(VARIABLES[False], graph)
    nodes, _, u = block_by_hand(VARIABLES[False]["params"], graph)
    assert out.edges.shape == (0, 3)
    np.testing.assert_allclose(out.nodes, nodes, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(out.globals, u[None], rtol=1e-4, atol=1e-5)


def test_a_width_that_is_not_positive_is_an_error():
    with pytest.raises(ValueError, match="node: got"):
        GraphNetworkBlock((3,), (0,), (3,)).init(jax.random.key(0), PADDED)
