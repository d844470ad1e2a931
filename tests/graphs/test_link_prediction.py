import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.scan import repeat
from mlr_jax.data.graphs.links import split_links
from mlr_jax.data.graphs.random_graphs import planted_partition
from mlr_jax.graphs.convolution import GCN
from mlr_jax.graphs.link_prediction import (
    Hypers,
    embed,
    inner_products,
    link_prediction,
    random_pairs,
    scores,
)
from mlr_jax.ops.graph import Size, pad
from mlr_jax.ops.metrics.ranking import average_precision, roc_auc

ENCODER = GCN((8,), 4, dropout=0.0)


@pytest.fixture(scope="module")
def links():
    return split_links(planted_partition(seed=0, within=10.0).graph, seed=0, validation=0.1, test=0.2)


@pytest.fixture(scope="module")
def task(links):
    return link_prediction(ENCODER, links.graph)


@pytest.fixture(scope="module")
def variables(task):
    return task.init(jax.random.key(0))


def test_loss_is_the_cross_entropy_of_edges_and_of_drawn_pairs(links, task, variables):
    batch, key = {"graph": links.graph, **links.train}, jax.random.key(3)
    value, (_, metrics) = task.loss(variables, batch, key, Hypers(negative_weight=0.5))
    z = np.asarray(ENCODER.apply(variables, links.graph), np.float64)
    drawn = np.asarray(random_pairs(jax.random.split(key)[1], 300, len(links.train["pairs"])))

    def sigmoid(pairs):
        return 1 / (1 + np.exp(-(z[pairs[:, 0]] * z[pairs[:, 1]]).sum(1)))

    edges, others = sigmoid(links.train["pairs"]), sigmoid(drawn)
    expected = -np.log(edges).mean() - 0.5 * np.log(1 - others).mean()
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(metrics["accuracy"], ((edges > 0.5).mean() + (others <= 0.5).mean()) / 2, rtol=1e-5)


def test_evaluation_judges_each_pair(links, task, variables):
    batch = {"graph": links.graph, **links.test}
    found = task.evaluate(variables, batch)
    logits = np.asarray(scores(ENCODER, variables, batch))
    z = np.asarray(embed(ENCODER, variables, links.graph))
    np.testing.assert_allclose(logits, np.diag(z[batch["pairs"][:, 0]] @ z[batch["pairs"][:, 1]].T), atol=1e-5)
    chance = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(found["loss"], -np.log(np.where(batch["y"] == 1, chance, 1 - chance)), rtol=1e-4)
    np.testing.assert_array_equal(found["accuracy"], (logits > 0) == (batch["y"] == 1))


def test_drawn_pairs_are_uniform_over_pairs_of_different_nodes():
    pairs = np.asarray(random_pairs(jax.random.key(0), jnp.int32(4), 12_000))
    tally = np.zeros((4, 4))
    np.add.at(tally, (pairs[:, 0], pairs[:, 1]), 1)
    assert (np.diag(tally) == 0).all()
    np.testing.assert_allclose(tally[~np.eye(4, dtype=bool)], 1000, rtol=0.12)


def test_padding_of_the_graph_and_of_the_pairs_changes_nothing(links, task, variables):
    rows = 2 * (len(links.train["pairs"]) // 2)
    pairs = links.train["pairs"][:rows]
    plain = {"graph": links.graph, "pairs": pairs, "mask": np.ones(rows, np.float32)}
    junk = pad(links.graph, Size(320, len(links.graph.senders) + 30, 2))
    junk.nodes[300:] = np.nan
    hidden = {**plain, "mask": np.ones(rows, np.float32)}
    hidden["mask"][rows // 2 :] = 0
    hidden["pairs"] = np.where(hidden["mask"][:, None] > 0, pairs, 10**6)
    short = {**plain, "pairs": pairs[: rows // 2]}
    short.pop("mask")

    def value(batch):
        def loss(params):
            return task.loss({"params": params}, batch, jax.random.key(1), Hypers(negative_weight=0.0))[0]

        return jax.jit(jax.value_and_grad(loss))(variables["params"])

    for one, other in ((plain, {**plain, "graph": junk}), (short, hidden)):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-7), value(one), value(other))
    drawn = random_pairs(jax.random.key(0), jnp.int32(junk.n_node[0]), 5000)
    assert int(drawn.max()) < 300


def test_held_out_edges_are_found(links):
    task = link_prediction(GCN((16,), 8, dropout=0.2), links.graph, negatives=2)
    learner = gradient_learner(task, lambda hypers: optax.adam(hypers.learning_rate))
    batch = {"graph": links.graph, **links.train}
    state, _ = repeat(learner, 150)(jax.jit(learner.init)(jax.random.key(0), Hypers()), batch)
    test = {"graph": links.graph, **links.test}
    values = jax.jit(lambda params: scores(GCN((16,), 8, dropout=0.2), {"params": params}, test))(state.params)
    assert roc_auc(test["y"], values) > 0.7
    assert average_precision(test["y"], values) > 0.7


def test_inner_products_are_of_the_pairs_named():
    z = jnp.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert inner_products(z, jnp.array([[0, 1], [2, 2]])).tolist() == [11, 61]


def test_a_number_of_negatives_that_makes_no_sense_is_refused(links):
    with pytest.raises(ValueError, match="negatives must be at least 1, got 0"):
        link_prediction(ENCODER, links.graph, negatives=0)
