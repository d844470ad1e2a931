from functools import partial

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from learners import SgdHypers, image_batch, mlp_task
from toys import small_cnn

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.optimizers import adamw, sgd
from mlr_jax.core.precision import mixed_precision
from mlr_jax.core.types import Task

TASKS = {"mlp": mlp_task, "cnn": small_cnn}
each_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
each_dtype = pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])


def products(jaxpr):
    """The dtypes of every operand of every matrix product and convolution in a program, inner programs included."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("dot_general", "conv_general_dilated"):
            yield {str(operand.aval.dtype) for operand in equation.invars}
        for inner in jax.extend.core.jaxprs_in_params(equation.params):
            yield from products(inner)


def loss_and_gradient(task, variables, batch):
    def loss(params):
        value, _ = task.loss({**variables, "params": params}, batch, jax.random.key(0), SgdHypers())
        return value

    return jax.value_and_grad(loss)(variables["params"])


@each_dtype
@each_task
def test_every_product_forward_and_backward_is_in_sixteen_bits(task, dtype):
    variables = jax.eval_shape(task.init, jax.random.key(0))
    for version, name in ((task, "float32"), (mixed_precision(task, dtype), jnp.dtype(dtype).name)):
        trace = jax.make_jaxpr(lambda variables, t=version: loss_and_gradient(t, variables, image_batch(0)))(variables)
        kinds = list(products(trace.jaxpr))
        layers = sum(leaf.ndim > 1 for leaf in jax.tree.leaves(variables["params"]))
        # Forward, by the weights and by the input, of which the first layer has no need; some are written as several.
        assert len(kinds) >= 3 * layers - 1
        assert kinds == [{name}] * len(kinds)
        evaluation = jax.make_jaxpr(version.evaluate)(variables, image_batch(0))
        kinds = list(products(evaluation.jaxpr))
        assert len(kinds) >= layers
        assert kinds == [{name}] * len(kinds)


@each_dtype
@each_task
@pytest.mark.parametrize("optimizer", [adamw(), sgd()])
def test_what_is_kept_and_what_is_reported_is_float32(task, dtype, optimizer):
    learner = gradient_learner(mixed_precision(task, dtype), optimizer)
    state = jax.eval_shape(learner.init, jax.random.key(0), as_arrays(SgdHypers()))
    after, metrics = jax.eval_shape(learner.step, state, image_batch(0))
    values = jax.eval_shape(learner.evaluate, after, image_batch(0))
    leaves = jax.tree.leaves((after.params, after.collections, after.opt_state, metrics, values))
    assert {leaf.dtype for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating)} == {jnp.dtype("float32")}
    assert jax.tree.structure(after) == jax.tree.structure(state)


@each_task
def test_loss_and_gradient_are_near_those_in_float32(task):
    variables, batch = jax.jit(task.init)(jax.random.key(0)), image_batch(0)
    loss, gradients = jax.jit(partial(loss_and_gradient, task))(variables, batch)
    half_loss, half_gradients = jax.jit(partial(loss_and_gradient, mixed_precision(task)))(variables, batch)
    np.testing.assert_allclose(half_loss, loss, rtol=2e-2)
    assert half_loss != loss
    assert {leaf.dtype for leaf in jax.tree.leaves(half_gradients)} == {jnp.dtype("float32")}
    difference = jax.tree.map(jnp.subtract, half_gradients, gradients)
    assert optax.tree.norm(difference) < 0.05 * optax.tree.norm(gradients)


def test_floating_inputs_are_cast_but_neither_labels_nor_mask():
    seen = {}

    def loss(variables, batch, key, hypers):
        seen.update(jax.tree.map(lambda leaf: leaf.dtype.name, {**variables, **batch}))
        return jnp.sum(batch["x"]), (variables, {})

    def evaluate(variables, batch):
        seen.update(jax.tree.map(lambda leaf: leaf.dtype.name, {**variables, **batch}))
        return {}

    variables = {"params": jnp.ones(2), "batch_stats": jnp.ones(2)}
    batch = {"x": jnp.ones(300), "y": jnp.ones(300, jnp.int32), "mask": jnp.ones(300)}
    expected = {"params": "bfloat16", "batch_stats": "float32", "x": "bfloat16", "y": "int32", "mask": "float32"}
    task = mixed_precision(Task(None, loss, evaluate))
    value, (updated, _) = task.loss(variables, batch, None, None)
    assert seen == expected
    assert value.dtype == jnp.float32
    assert updated["params"] is variables["params"]
    seen.clear()
    task.evaluate(variables, batch)
    assert seen == expected


def test_more_rows_than_sixteen_bits_can_count_are_all_counted():
    batch = {**image_batch(0, rows=600), "mask": np.ones(600, np.float32)}
    variables = jax.jit(mlp_task.init)(jax.random.key(0))
    metrics, exact = (
        jax.jit(task.loss)(variables, batch, jax.random.key(0), SgdHypers())[1][1]
        for task in (mixed_precision(mlp_task), mlp_task)
    )
    np.testing.assert_allclose(metrics["accuracy"], exact["accuracy"], atol=5e-3)


def test_a_collection_that_a_task_computes_in_sixteen_bits_comes_back_as_it_was():
    def loss(variables, batch, key, hypers):
        stats = {"mean": jnp.mean(batch["x"]), "count": variables["stats"]["count"] + 1}
        return jnp.mean(batch["x"]), ({**variables, "stats": stats, "sown": batch["x"]}, {})

    variables = {"params": jnp.ones(2), "stats": {"mean": jnp.zeros(()), "count": jnp.int32(0)}}
    _, (updated, _) = mixed_precision(Task(None, loss, None)).loss(variables, {"x": jnp.ones(4)}, None, None)
    assert jax.tree.map(lambda leaf: leaf.dtype.name, updated) == {
        "params": "float32", "stats": {"mean": "float32", "count": "int32"}
    }  # fmt: skip
    assert updated["stats"] == {"mean": 1.0, "count": 1}
