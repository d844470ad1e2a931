import jax
import jax.numpy as jnp
import numpy as np
import pytest
from graphs.graph_cases import graph_batch
from graphs.tricky_graphs import GRAPHS, PADDED, SIZE, with_junk

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.data.graphs.batches import packed_batches
from mlr_jax.graphs.graph_network import GraphNetwork
from mlr_jax.graphs.graph_prediction import (
    ClassificationHypers,
    Hypers,
    graph_answers,
    graph_classification,
    graph_regression,
    predict,
)
from mlr_jax.graphs.isomorphism import GIN
from mlr_jax.graphs.message_passing import MPNN
from mlr_jax.graphs.readout import AttentionReadout, max_nodes
from mlr_jax.ops.graph import from_edges, size_of, sizes_for, stack

ROWS = stack(GRAPHS)
NUM_GRAPHS = len(GRAPHS)
LABELS = (np.arange(NUM_GRAPHS) % 2).astype(np.int32)
PADDED_LABELS = np.pad(LABELS, (0, SIZE.graphs - NUM_GRAPHS))

MODELS = {
    "GIN": GIN(2, (5, 4), readout=max_nodes),
    "MPNN": MPNN(2, 5, 2, 3, (6,), readout=AttentionReadout(4)),
    "graph network": GraphNetwork(2, 4, 2),
}


class Tried:
    """The compiled parts of a task."""

    def __init__(self, model):
        self.model = model
        self.task = graph_classification(model, ROWS)
        self.variables = jax.jit(self.task.init)(jax.random.key(0))
        self.evaluate = jax.jit(self.task.evaluate)

        @jax.jit
        def gradient(batch):
            def loss(params):
                return self.task.loss({**self.variables, "params": params}, batch, jax.random.key(1), HYPERS)

            return jax.value_and_grad(loss, has_aux=True)(self.variables["params"])

        self.gradient = gradient


HYPERS = ClassificationHypers()


@pytest.fixture(scope="module", params=MODELS)
def tried(request):
    return Tried(MODELS[request.param])


def assert_close(first, second, tolerance=1e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), first, second)


def test_rows_and_packed_graphs_give_the_same_loss_gradient_moments_and_metrics(tried):
    of_rows = tried.gradient({"graph": ROWS, "y": LABELS})
    of_packed = tried.gradient({"graph": PADDED, "y": PADDED_LABELS})
    assert_close(of_rows, of_packed, 1e-4)
    values = tried.evaluate(tried.variables, {"graph": ROWS, "y": LABELS})
    packed = tried.evaluate(tried.variables, {"graph": PADDED, "y": PADDED_LABELS})
    assert_close(values, {name: value[:NUM_GRAPHS] for name, value in packed.items()})
    assert all(value.shape == (NUM_GRAPHS,) for value in values.values())


@pytest.mark.parametrize("junk", [1e6, np.nan])
def test_junk_in_the_padding_of_a_packed_graph_changes_nothing(tried, junk):
    clean = tried.gradient({"graph": PADDED, "y": PADDED_LABELS})
    labels = np.concatenate([LABELS, np.full(SIZE.graphs - NUM_GRAPHS, 7, np.int32)])
    dirty = tried.gradient({"graph": with_junk(PADDED, junk), "y": labels})
    jax.tree.map(np.testing.assert_array_equal, clean, dirty)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(dirty))


def test_the_loss_is_the_mean_cross_entropy_of_the_predictions(tried):
    values = tried.evaluate(tried.variables, {"graph": ROWS, "y": LABELS})
    logits = np.asarray(jax.jit(lambda variables: predict(tried.model, variables, ROWS))(tried.variables))
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    np.testing.assert_allclose(values["loss"], -log_p[np.arange(NUM_GRAPHS), LABELS], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(values["accuracy"], logits.argmax(1) == LABELS)


def test_regression_is_the_squared_error():
    model = MPNN(1, 5, 1, 2, (4,))
    task = graph_regression(model, ROWS)
    variables = jax.jit(task.init)(jax.random.key(0))
    y = np.linspace(-1, 1, NUM_GRAPHS).astype(np.float32)
    values = jax.jit(task.evaluate)(variables, {"graph": ROWS, "y": y})
    difference = np.asarray(jax.jit(lambda v: predict(model, v, ROWS))(variables))[:, 0] - y
    np.testing.assert_allclose(values["loss"], difference**2, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(values["absolute_error"], abs(difference), rtol=1e-5, atol=1e-6)
    mask = np.array([1, 1, 0, 1, 0, 1, 1], np.float32)
    loss, (_, metrics) = jax.jit(task.loss)(
        variables, {"graph": ROWS, "y": np.where(mask, y, np.nan), "mask": mask}, jax.random.key(0), Hypers()
    )
    np.testing.assert_allclose(loss, (difference**2)[mask > 0].mean(), rtol=1e-5)
    np.testing.assert_allclose(metrics["absolute_error"], abs(difference)[mask > 0].mean(), rtol=1e-5)


def test_answers_that_are_not_known_count_for_nothing():
    model = GIN(3, (4,))
    task = graph_answers(model, ROWS)
    variables = jax.jit(task.init)(jax.random.key(0))
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (NUM_GRAPHS, 3)).astype(np.float32)
    y[rng.random(y.shape) < 0.4] = np.nan
    y[2] = np.nan
    values = jax.jit(task.evaluate)(variables, {"graph": ROWS, "y": y})
    logits = np.asarray(jax.jit(lambda v: predict(model, v, ROWS))(variables))
    p = 1 / (1 + np.exp(-logits))
    for graph in range(NUM_GRAPHS):
        known = ~np.isnan(y[graph])
        answer = y[graph][known]
        losses = -np.log(np.where(answer == 1, p[graph][known], 1 - p[graph][known]))
        np.testing.assert_allclose(values["loss"][graph], losses.mean() if known.any() else 0, rtol=1e-4, atol=1e-6)
        right = (logits[graph][known] > 0) == answer
        np.testing.assert_allclose(values["accuracy"][graph], right.mean() if known.any() else 0, rtol=1e-6)
    gradient = jax.jit(jax.grad(lambda v: task.loss(v, {"graph": ROWS, "y": y}, jax.random.key(0), Hypers())[0]))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient(variables)["params"]))


def test_labels_that_are_not_one_for_each_graph_are_an_error():
    task = graph_regression(MPNN(1, 5, 1, 2, (4,)), ROWS)
    with pytest.raises(ValueError, match=r"y: got shape \(3,\), its first axis must be the 7 graphs"):
        jax.eval_shape(task.evaluate, {"params": {}}, {"graph": ROWS, "y": np.zeros(3, np.float32)})


def test_graphs_with_many_edges_are_learnt_to_be_told_from_those_with_few():
    batch = graph_batch(0, rows=48)
    y = (np.asarray(batch["graph"].n_edge)[:, 0] > 3).astype(np.int32)
    task = graph_classification(GIN(2, (8, 8)), batch["graph"])
    learner = gradient_learner(task, adamw())
    state = jax.jit(learner.init)(jax.random.key(0), ClassificationHypers(1e-2))
    step = jax.jit(learner.step)
    for _ in range(80):
        state, metrics = step(state, {"graph": batch["graph"], "y": y})
    assert metrics["accuracy"] > 0.95


def test_a_thousand_batches_of_different_graphs_compile_no_more_programs_than_there_are_sizes():
    rng = np.random.default_rng(0)
    graphs = []
    for _ in range(400):
        num_nodes = int(rng.integers(1, 12))
        ends = rng.integers(0, num_nodes, (2, int(rng.integers(0, 30))))
        graphs.append(from_edges(rng.normal(size=(num_nodes, 2)).astype(np.float32), *ends))
    y = np.array([size_of(graph).edges > 15 for graph in graphs], np.int32)
    sizes = sizes_for(graphs, 4, num_sizes=3)
    source = packed_batches(graphs, y, 4, sizes, seed=0)
    learner = gradient_learner(graph_classification(GIN(2, (4,)), next(source.stream(0))["graph"]), adamw())
    traces = 0

    @jax.jit
    def step(state, batch):
        nonlocal traces
        traces += 1
        return learner.step(state, batch)

    state = jax.jit(learner.init)(jax.random.key(0), ClassificationHypers(1e-2))
    seen = set()
    for _, batch in zip(range(1000), source.stream(0), strict=False):
        state, metrics = step(state, batch)
        seen.add((len(batch["graph"].nodes), len(batch["graph"].senders)))
    assert traces == step._cache_size() == len(seen)
    assert 2 <= len(seen) <= len(sizes) == 3
    assert jnp.isfinite(metrics["loss"])
