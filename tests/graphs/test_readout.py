import jax
import numpy as np
import pytest
from graphs.tricky_graphs import GRAPHS, PADDED, SIZE, TOGETHER, dense, randomised, with_junk

from mlr_jax.graphs.readout import AttentionReadout, max_nodes, mean_nodes, sum_nodes
from mlr_jax.ops.graph import from_edges, pack, pad

attention = AttentionReadout(5)
VARIABLES = randomised(jax.jit(attention.init)(jax.random.key(0), PADDED, PADDED.nodes))


def attend(graph, h):
    return attention.apply(VARIABLES, graph, h)


def attend_by_hand(h):
    params = VARIABLES["params"]
    score = np.exp(dense(params["score"], h))
    return (score / score.sum() * dense(params["value"], h)).sum(0)


READOUTS = {
    "sum": (sum_nodes, lambda h: h.sum(0)),
    "mean": (mean_nodes, lambda h: h.mean(0)),
    "max": (max_nodes, lambda h: h.max(0)),
    "attention": (attend, attend_by_hand),
}

every_readout = pytest.mark.parametrize("name", READOUTS)


@every_readout
def test_each_graph_is_read_out_as_if_it_were_alone(name):
    readout, by_hand = READOUTS[name]
    values = jax.jit(readout)(PADDED, PADDED.nodes)
    for graph, value in zip(GRAPHS, values, strict=False):
        np.testing.assert_allclose(value, by_hand(graph.nodes), rtol=1e-5, atol=1e-6)
    assert values.shape[0] == SIZE.graphs


@every_readout
def test_a_graph_without_nodes_is_zero(name):
    nothing = from_edges(np.zeros((0, 3), np.float32), [], [], np.zeros((0, 2)), np.zeros(4))
    padded = pad(pack([GRAPHS[0], nothing, GRAPHS[1]]), SIZE)
    np.testing.assert_array_equal(READOUTS[name][0](padded, padded.nodes)[1], 0)


@every_readout
def test_nan_in_the_padding_reaches_no_other_graph_nor_its_gradient(name):
    readout, _ = READOUTS[name]
    junk = with_junk(PADDED, np.nan)
    clean = readout(PADDED, PADDED.nodes)[: len(GRAPHS)]
    np.testing.assert_array_equal(readout(junk, junk.nodes)[: len(GRAPHS)], clean)
    gradient = jax.grad(lambda h: (readout(junk, h)[: len(GRAPHS)] ** 2).sum())(junk.nodes)
    expected = jax.grad(lambda h: (readout(PADDED, h)[: len(GRAPHS)] ** 2).sum())(PADDED.nodes)
    real = len(TOGETHER.nodes)
    np.testing.assert_allclose(gradient[:real], expected[:real], rtol=1e-6, atol=1e-7)
