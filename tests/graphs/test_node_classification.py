import jax
import numpy as np
import optax
import pytest
from graphs.node_cases import BATCH, NODES
from graphs.tricky_graphs import GRAPHS, PADDED, TOGETHER, randomised, with_junk

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.keep_best import keep_best
from mlr_jax.core.optimizers import is_kernel
from mlr_jax.data.graphs.random_graphs import planted_partition
from mlr_jax.graphs.convolution import GCN
from mlr_jax.graphs.node_classification import (
    Hypers,
    kernels,
    logits_of,
    node_classification,
    predict,
    validation_scores,
)

model = GCN((8,), 3, dropout=0.0)
task = node_classification(model, BATCH["graph"])
VARIABLES = randomised(jax.jit(task.init)(jax.random.key(0)))
KEY = jax.random.key(1)
loss = jax.jit(lambda batch, hypers: task.loss(VARIABLES, batch, KEY, hypers))


def test_the_loss_is_the_mean_of_labelled_nodes_and_half_the_squares_of_the_kernels():
    p = np.asarray(predict(model, VARIABLES, BATCH))
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    rows = BATCH["mask"] > 0
    nll = -np.log(p[rows, BATCH["y"][rows]]).mean()
    squares = sum(np.sum(leaf**2) for leaf in jax.tree.leaves(VARIABLES["params"]) if leaf.ndim > 1)
    value, (_, metrics) = loss(BATCH, Hypers(weight_decay=0.1))
    np.testing.assert_allclose(value, nll + 0.05 * squares, rtol=1e-5)
    np.testing.assert_allclose(metrics["accuracy"], (p.argmax(1) == BATCH["y"])[rows].mean(), rtol=1e-6)


def test_decay_may_be_of_some_parameters_only():
    first = node_classification(model, BATCH["graph"], lambda params: params["GraphConvolution_0"]["Linear_0"])
    with_decay, without = (first.loss(VARIABLES, BATCH, KEY, Hypers(weight_decay=w))[0] for w in (0.2, 0.0))
    kernel = VARIABLES["params"]["GraphConvolution_0"]["Linear_0"]["kernel"]
    np.testing.assert_allclose(with_decay - without, 0.1 * np.sum(kernel**2), rtol=1e-4)
    assert len(kernels(VARIABLES["params"])) == sum(jax.tree.leaves(is_kernel(VARIABLES["params"])))


def test_labels_that_are_not_counted_change_nothing_not_even_where_they_are_unknown():
    unknown = {**BATCH, "y": np.where(BATCH["mask"] > 0, BATCH["y"], -1).astype(np.int32)}
    clean, dirty = (jax.grad(lambda v, b=b: task.loss(v, b, KEY, Hypers())[0])(VARIABLES) for b in (BATCH, unknown))
    jax.tree.map(np.testing.assert_array_equal, clean, dirty)


def test_evaluation_has_a_value_for_each_node():
    values = task.evaluate(VARIABLES, BATCH)
    logits = np.asarray(logits_of(model, VARIABLES, BATCH))
    np.testing.assert_array_equal(values["accuracy"], logits.argmax(1) == BATCH["y"])
    expected = np.log(np.exp(logits).sum(1)) - logits[np.arange(NODES), BATCH["y"]]
    np.testing.assert_allclose(values["loss"], expected, rtol=1e-4, atol=1e-6)


def test_init_reads_shapes_alone_so_that_no_data_is_in_the_program():
    abstract = jax.eval_shape(lambda: BATCH["graph"])
    again = jax.jit(node_classification(model, abstract).init)(jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, again, jax.jit(task.init)(jax.random.key(0)))
    big = BATCH["graph"]._replace(nodes=np.zeros((NODES, 50_000), np.float32))
    text = jax.jit(node_classification(model, big).init).lower(jax.random.key(0)).as_text()
    assert len(text) < 200_000


@pytest.mark.parametrize("junk", [1e6, np.nan])
def test_a_padded_graph_of_several_parts_may_have_junk_in_its_padding(junk):
    real, total = len(TOGETHER.nodes), len(PADDED.nodes)
    y = np.arange(total, dtype=np.int32) % 3
    mask = (np.arange(total) < real).astype(np.float32)
    packed = node_classification(GCN((4,), 3), PADDED)
    variables = jax.jit(packed.init)(jax.random.key(0))

    @jax.jit
    def gradient(graph):
        batch = {"graph": graph, "y": y, "mask": mask}
        return jax.value_and_grad(lambda v: packed.loss(v, batch, KEY, Hypers())[0])(variables)

    clean, dirty = gradient(PADDED), gradient(with_junk(PADDED, junk))
    jax.tree.map(np.testing.assert_array_equal, clean, dirty)
    assert len(GRAPHS) > 1


def test_edges_help_and_the_kept_step_is_the_one_that_validation_nodes_choose():
    data = planted_partition(seed=0)
    masks = {name: np.zeros(len(data.y), np.float32) for name in ("train", "validation", "test")}
    for name, mask in masks.items():
        mask[getattr(data, name)] = 1
    batch = {"graph": data.graph, "y": data.y, "mask": masks["train"], "validation": masks["validation"]}
    network = GCN((8,), 3, dropout=0.3)
    plain = gradient_learner(node_classification(network, data.graph), lambda h: optax.adam(h.learning_rate))
    kept = keep_best(plain, validation_scores(plain), ("loss", "error"))

    @jax.jit
    def run(batch):
        state = kept.init(jax.random.key(0), Hypers(0.03, 1e-3))
        state, metrics = jax.lax.scan(lambda state, _: kept.step(state, batch), state, None, 60)
        return state.best_step, metrics, kept.evaluate(state, batch)

    def accuracy(values, split):
        return float(np.mean(values[masks[split] > 0]))

    best_step, metrics, values = run(batch)
    loss = np.mean(values["loss"][masks["validation"] > 0])
    np.testing.assert_allclose(loss, metrics["validation_loss"][best_step - 1], rtol=1e-4)
    error = 1 - accuracy(values["accuracy"], "validation")
    np.testing.assert_allclose(error, metrics["validation_error"][best_step - 1], atol=1e-6)
    loops = np.resize(np.arange(len(data.y), dtype=np.int32), len(data.graph.senders))
    alone = data.graph._replace(senders=loops, receivers=loops)
    _, _, without = run({**batch, "graph": alone})
    assert accuracy(values["accuracy"], "test") > accuracy(without["accuracy"], "test") + 0.05 > 0.5
