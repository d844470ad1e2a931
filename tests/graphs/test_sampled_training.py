"""Node classification on sampled blocks: what it learns, and that its memory does not grow with the graph."""

import jax
import numpy as np
import optax
import pytest

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.scan import scan
from mlr_jax.data.graphs.random_graphs import uniform_graph
from mlr_jax.data.graphs.sampling import neighbours_of, sample_block, sampled_nodes
from mlr_jax.graphs.convolution import GCN, GraphSAGE
from mlr_jax.graphs.node_classification import Hypers, logits_of, node_classification
from mlr_jax.ops.graph import from_edges
from mlr_jax.train.evaluate import evaluate
from mlr_jax.train.loop import fit

MODEL = GCN((16,), 4, dropout=0.1)


def made(num_nodes, num_edges):
    data = uniform_graph(seed=0, num_nodes=num_nodes, num_edges=num_edges)
    keywords = {"fanouts": (5, 3), "batch_size": 64, "seed": 0}
    return data, sampled_nodes(data.graph, data.y, data.train, **keywords)


def learner_of(source):
    task = node_classification(MODEL, next(source.stream(0))["graph"])
    return gradient_learner(task, lambda hypers: optax.adam(hypers.learning_rate))


def step_memory(learner, source):
    """Bytes that the compiled program of two steps needs, its arguments included."""
    stream = source.stream(0)
    batches = jax.tree.map(lambda *leaves: np.stack(leaves), next(stream), next(stream))
    state = jax.eval_shape(learner.init, jax.random.key(0), Hypers())
    found = scan(learner, 2).lower(state, batches).compile().memory_analysis()
    return found.temp_size_in_bytes + found.argument_size_in_bytes + found.output_size_in_bytes


def test_a_graph_of_a_million_edges_trains_in_the_memory_of_its_batches():
    _, small = made(5_000, 50_000)
    data, source = made(100_000, 1_000_000)
    learner = learner_of(source)
    memory = step_memory(learner, source)
    assert memory == step_memory(learner_of(small), small)
    assert memory < 10e6  # the features of the graph alone are 6.4 MB, the edges' messages 64 MB a layer
    state = jax.jit(learner.init)(jax.random.key(0), Hypers())
    state, _ = fit(learner, state, source, num_steps=60, chunk=2)
    held_out = sampled_nodes(
        data.graph, data.y, data.validation[:256], fanouts=(20, 10), batch_size=64, seed=1
    )  # fmt: skip
    assert evaluate(jax.jit(learner.evaluate), state, held_out.evaluation())["accuracy"] > 0.8


def test_with_all_neighbours_a_block_gives_the_seeds_outputs_as_the_whole_graph():
    data, _ = made(400, 1500)
    model = GraphSAGE((8,), 4)
    variables = model.init(jax.random.key(0), data.graph)
    whole = model.apply(variables, data.graph)
    seeds = data.train[:16]
    block = sample_block(neighbours_of(data.graph), seeds, (100, 100), np.random.default_rng(0))
    cut = {"graph": from_edges(data.graph.nodes[block.nodes], block.senders, block.receivers)}
    assert len(block.nodes) < 300
    np.testing.assert_allclose(logits_of(model, variables, cut)[:16], whole[seeds], rtol=1e-4, atol=1e-5)


def test_other_nodes_of_a_block_do_not_count():
    _, source = made(400, 1500)
    batch = next(source.stream(0))
    task = node_classification(MODEL, batch["graph"])
    variables = task.init(jax.random.key(0))
    other = {**batch, "y": np.where(batch["mask"] > 0, batch["y"], 3 - batch["y"])}
    losses = [task.loss(variables, each, jax.random.key(1), Hypers())[0] for each in (batch, other)]
    assert losses[0] == pytest.approx(float(losses[1]))
