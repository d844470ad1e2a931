import flax.linen as nn
import jax
import numpy as np
import pytest
from graphs.tricky_graphs import PADDED, TOGETHER

from mlr_jax.graphs.codes import Coded, indicators
from mlr_jax.graphs.isomorphism import GIN

NODE_CODES, EDGE_CODES = (3, 2, 4), (2, 3)


def coded_graph():
    rng = np.random.default_rng(0)
    nodes = np.stack([rng.integers(0, count, len(PADDED.nodes)) for count in NODE_CODES], 1).astype(np.float32)
    edges = np.stack([rng.integers(0, count, len(PADDED.edges)) for count in EDGE_CODES], 1).astype(np.float32)
    return PADDED._replace(nodes=nodes, edges=edges)


def test_each_column_is_one_hot():
    values = indicators(np.array([[2.0, 0.0, 3.0], [0.0, 1.0, 9.0]]), NODE_CODES)
    np.testing.assert_array_equal(values, [[0, 0, 1, 1, 0, 0, 0, 0, 1], [1, 0, 0, 0, 1, 0, 0, 0, 0]])
    with pytest.raises(ValueError, match="got 3 columns, counts names 2"):
        indicators(np.zeros((2, 3)), (1, 2))


def test_a_linear_layer_on_them_is_a_sum_of_embeddings():
    class Linear(nn.Module):
        @nn.compact
        def __call__(self, graph, *, train=False):
            return nn.Dense(5, use_bias=False)(graph.nodes)

    graph = coded_graph()
    coded = Coded(Linear(), NODE_CODES, EDGE_CODES)
    variables = coded.init(jax.random.key(0), graph)
    table = np.asarray(variables["params"]["network"]["Dense_0"]["kernel"])
    first = np.cumsum([0, *NODE_CODES[:-1]])
    expected = table[graph.nodes.astype(int) + first[None]].sum(1)
    real = len(TOGETHER.nodes)
    values = coded.apply(variables, graph)
    np.testing.assert_allclose(values[:real], expected[:real], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(values[real:], 0)


def test_a_network_is_given_indicators_of_edges_too():
    coded = Coded(GIN(2, (4,), use_edges=True), NODE_CODES, EDGE_CODES)
    variables = jax.eval_shape(coded.init, jax.random.key(0), coded_graph())
    layer = variables["params"]["network"]["GINLayer_0"]
    assert layer["Dense_0"]["kernel"].shape == (sum(NODE_CODES), 4)
    assert layer["edge"]["kernel"].shape == (sum(EDGE_CODES), sum(NODE_CODES))
