"""Frozen parameters and statistics stay, the rest learns as it did; rates by depth and by step."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import sgd
from mlr_jax.nn.cnn import CNN
from mlr_jax.supervised.classification import classification, predict
from mlr_jax.transfer.freeze import (
    FROZEN,
    discriminative,
    freeze,
    freeze_statistics,
    gradual,
    join,
    linear_probe,
    split,
    start_from,
    thawed,
)

MODEL = CNN((3,), 3, hidden=4)
TASK = classification(MODEL, (4, 4, 1))
HEAD = "Dense_1/.*"
ALL_BUT_HEAD = "(?!Dense_1/).*"


class Hypers(NamedTuple):
    learning_rate: float = 0.1
    weight_decay: float = 0.1
    clip_norm: float = np.inf
    label_smoothing: float = 0.0
    momentum: float = 0.9
    layer_decay: float = 0.5
    thaw_every: int = 0


def batch(step=0):
    rng = np.random.default_rng(step)
    x = rng.normal(2.0, 3.0, (8, 4, 4, 1)).astype(np.float32)
    return {"x": jnp.asarray(x), "y": jnp.asarray(rng.integers(0, 3, 8))}


def trained(task, steps=2, optimizer=None, hypers=None):
    """The first state and the one after some steps."""
    learner = gradient_learner(task, optimizer or sgd())
    first = state = learner.init(jax.random.key(0), hypers or Hypers())
    step = jax.jit(learner.step)
    for index in range(steps):
        state, _ = step(state, batch(index))
    return first, state


def same(first, second):
    return [bool((a == b).all()) for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)]


@pytest.fixture(scope="module")
def frozen():
    return trained(freeze(TASK, ALL_BUT_HEAD))


def test_what_is_frozen_stays_and_the_rest_learns(frozen):
    first, last = frozen
    assert set(first.params) == {"Dense_1"}
    assert all(same(first.collections[FROZEN], last.collections[FROZEN]))
    assert not any(same(first.params, last.params))
    assert sum(leaf.size for leaf in jax.tree.leaves(first.opt_state) if leaf.ndim) == 4 * 3 + 3  # momentum of the head
    whole = thawed({"params": last.params, **last.collections})
    assert jax.tree.structure(whole) == jax.tree.structure(TASK.init(jax.random.key(0)))


def test_the_frozen_task_starts_as_the_task_and_evaluates_as_it(frozen):
    first, last = frozen
    whole = TASK.init(jax.random.split(jax.random.key(0))[0])
    jax.tree.map(np.testing.assert_array_equal, thawed({"params": first.params, **first.collections}), whole)
    variables = {"params": last.params, **last.collections}
    ours = freeze(TASK, ALL_BUT_HEAD).evaluate(variables, batch(9))
    jax.tree.map(np.testing.assert_array_equal, ours, TASK.evaluate(thawed(variables), batch(9)))


def test_the_gradient_of_what_learns_is_that_of_the_whole_task():
    key = jax.random.key(3)
    whole = TASK.init(key)
    task = freeze(TASK, ALL_BUT_HEAD, statistics=False)
    parts = task.init(key)
    full = jax.grad(lambda p: TASK.loss({**whole, "params": p}, batch(), key, Hypers())[0])(whole["params"])
    part = jax.grad(lambda p: task.loss({**parts, "params": p}, batch(), key, Hypers())[0])(parts["params"])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), part["Dense_1"], full["Dense_1"])


@pytest.mark.parametrize("statistics", [True, False])
def test_statistics_are_frozen_where_it_is_asked(statistics):
    first, last = trained(freeze(TASK, ALL_BUT_HEAD, statistics=statistics))
    moved = [not flag for flag in same(first.collections["batch_stats"], last.collections["batch_stats"])]
    assert moved == [not statistics] * len(moved)


def test_one_layer_of_statistics_can_be_frozen_and_is_then_used_as_in_evaluation():
    task = freeze_statistics(TASK, "BatchNorm_0/.*")
    first, last = trained(task)
    before, after = first.collections["batch_stats"], last.collections["batch_stats"]
    assert all(same(before["BatchNorm_0"], after["BatchNorm_0"]))
    assert not any(same(before["BatchNorm_1"], after["BatchNorm_1"]))
    everything = freeze_statistics(TASK, ".*")
    variables = TASK.init(jax.random.key(0))
    loss, _ = everything.loss(variables, batch(), jax.random.key(1), Hypers())
    np.testing.assert_allclose(loss, TASK.evaluate(variables, batch())["loss"].mean(), rtol=1e-5)


def test_a_linear_probe_is_a_logistic_regression_on_fixed_features():
    first, last = trained(linear_probe(TASK, HEAD))
    assert all(same(first.collections, last.collections))
    assert not any(same(first.params, last.params))


def test_a_run_can_start_from_given_variables_with_a_new_head():
    given = CNN((3,), 7, hidden=4).init(jax.random.key(5), jnp.zeros((1, 4, 4, 1)))
    task = start_from(TASK, given, HEAD)
    start = jax.jit(task.init)(jax.random.key(0))
    new = TASK.init(jax.random.key(0))
    np.testing.assert_array_equal(start["params"]["Conv_0"]["kernel"], given["params"]["Conv_0"]["kernel"])
    jax.tree.map(np.testing.assert_array_equal, start["params"]["Dense_1"], new["params"]["Dense_1"])
    jax.tree.map(np.testing.assert_array_equal, start["batch_stats"], given["batch_stats"])


def test_variables_that_do_not_fit_are_all_named():
    given = CNN((3,), 7, hidden=5).init(jax.random.key(5), jnp.zeros((1, 4, 4, 1)))
    del given["params"]["Conv_0"]
    given["params"]["Extra"] = {"kernel": jnp.zeros(3)}
    with pytest.raises(ValueError, match="do not fit the task") as error:
        start_from(TASK, given, HEAD).init(jax.random.key(0))
    for words in (
        "params/Conv_0/kernel: missing", "params/Extra/kernel: left over",
        "params/Dense_0/kernel: got shape (12, 5), needed is (12, 4)",
        "batch_stats/BatchNorm_1/mean: got shape (5,), needed is (4,)",
    ):  # fmt: skip
        assert words in str(error.value)


PARAMS = {"low": {"w": jnp.ones((2, 2))}, "middle": {"w": jnp.ones((2, 2))}, "top": {"w": jnp.ones(2)}}


def updates_of(hypers, steps, optimizer=lambda hypers: optax.sgd(1.0)):
    """By part, the update of a gradient of ones at each step."""
    transform = discriminative(optimizer, gradual(["top/.*", "middle/.*", "low/.*"]))(hypers)

    def step(state, _):
        updates, state = transform.update(jax.tree.map(jnp.ones_like, PARAMS), state, PARAMS)
        return state, {part: -leaf["w"].mean() for part, leaf in updates.items()}

    return jax.lax.scan(step, transform.init(PARAMS), length=steps)[1]


def test_layers_thaw_from_the_top_down_with_rates_that_fall():
    seen = jax.jit(lambda hypers: updates_of(hypers, 6))(Hypers(layer_decay=0.5, thaw_every=2))
    np.testing.assert_allclose(seen["top"], [1] * 6)
    np.testing.assert_allclose(seen["middle"], [0, 0, 0.5, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(seen["low"], [0, 0, 0, 0, 0.25, 0.25])


def test_rates_are_hyper_parameters_of_one_compiled_program():
    together = jax.jit(jax.vmap(lambda decay: updates_of(Hypers(layer_decay=decay), 1)["low"]))
    np.testing.assert_allclose(together(jnp.array([0.0, 0.3, 1.0]))[:, 0], [0, 0.09, 1], rtol=1e-5)


def test_parts_split_and_join_again():
    kept, taken = split(PARAMS, ["low/.*", "top/w"])
    assert (set(kept), set(taken)) == ({"middle"}, {"low", "top"})
    jax.tree.map(np.testing.assert_array_equal, join(kept, taken), PARAMS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: freeze(TASK, "Conv/.*").init(jax.random.key(0)),
            "pattern 'Conv/.\\*' matches no parameter; there are",
        ),
        (lambda: freeze(TASK, ".*").init(jax.random.key(0)), "must match some parameters and not all"),
        (lambda: discriminative(sgd(), gradual(["x"]))(Hypers()).init(PARAMS), "pattern 'x' matches no parameter"),
    ],
)
def test_patterns_that_match_nothing_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_predictions_of_a_frozen_model_need_the_whole(frozen):
    variables = {"params": frozen[1].params, **frozen[1].collections}
    assert predict(MODEL, thawed(variables), batch()["x"]).shape == (8, 3)
