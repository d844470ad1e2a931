from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P
from learners import SgdHypers, image_batch, mlp_task
from toys import Hypers, gradient_by_hand, least_squares, loss_by_hand, rows, small_cnn

from mlr_jax.core import collectives
from mlr_jax.core.gradient import gradient_of
from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.parallel import device_mesh, per_device, pmapped
from mlr_jax.core.types import Learner

MASK = np.array([1, 1, 1, 1, 0, 1, 0, 0], np.float32)  # on 4 devices: 2, 2, 1 and 0 rows


def by_shard_map(function, batch):
    """The function's value on each of four devices, [4]."""
    each = jax.shard_map(
        lambda batch: function(batch)[None],
        mesh=device_mesh(4), in_specs=P("data"), out_specs=P("data"), check_vma=False,
    )  # fmt: skip
    return jax.jit(each)(batch)


def by_pmap(function, batch):
    """The same."""
    batch = jax.tree.map(lambda leaf: leaf.reshape(4, -1, *leaf.shape[1:]), batch)
    return jax.pmap(function, axis_name="data", devices=jax.devices()[:4])(batch)


each_mapping = pytest.mark.parametrize("mapping", [by_shard_map, by_pmap])


def test_where_no_axis_is_mapped_reductions_are_the_identity():
    tree, key = {"a": jnp.arange(3.0), "b": [jnp.float32(2)]}, jax.random.key(0)
    assert not collectives.data_axis_is_mapped()
    assert collectives.data_sum(tree) is tree
    assert collectives.data_mean(tree) is tree
    assert collectives.data_key(key) is key
    assert collectives.data_share({"x": MASK, "mask": 0 * MASK}) == 1
    sums = jax.vmap(collectives.data_sum, axis_name="members")(jnp.arange(3))
    np.testing.assert_array_equal(sums, [0, 1, 2])


@each_mapping
def test_where_the_axis_is_mapped_they_reduce_over_the_devices(mapping):
    batch = np.arange(8.0, dtype=np.float32)
    np.testing.assert_array_equal(mapping(lambda x: collectives.data_sum(x.sum()), batch), [28.0] * 4)
    np.testing.assert_array_equal(mapping(lambda x: collectives.data_mean(x.sum()), batch), [7.0] * 4)
    assert mapping(lambda _: jnp.bool(collectives.data_axis_is_mapped()), batch).all()


@each_mapping
def test_a_device_weighs_as_much_as_it_has_real_rows(mapping):
    shares = mapping(collectives.data_share, {"x": np.zeros((8, 2)), "mask": MASK})
    np.testing.assert_allclose(shares, np.array([2, 2, 1, 0]) / 5, rtol=1e-6)
    np.testing.assert_allclose(mapping(collectives.data_share, {"x": np.zeros((8, 2))}), [0.25] * 4)
    np.testing.assert_array_equal(mapping(collectives.data_share, {"mask": 0 * MASK}), [0.0] * 4)


@each_mapping
def test_each_device_has_a_key_of_its_own(mapping):
    draws = mapping(lambda _: jax.random.uniform(collectives.data_key(jax.random.key(0))), MASK)
    assert len(set(draws.tolist())) == 4


def test_real_rows_are_counted_by_the_mask_or_by_the_leading_axis():
    assert collectives.num_rows({"a": np.zeros((8, 2)), "mask": MASK}) == 5
    assert collectives.num_rows({"a": np.zeros((6, 2))}) == 6
    assert collectives.num_rows((np.zeros(3),)) == 3
    assert collectives.num_rows(None) == 1
    assert float(collectives.num_rows({"mask": np.ones(301, jnp.bfloat16)})) == 301


def gradient_as_learner(task, hypers):
    """A learner whose step returns the gradient and the collections in place of a state."""
    gradient = gradient_of(task)

    def step(variables, batch):
        gradients, (collections, metrics) = gradient(variables, batch, jax.random.key(0), as_arrays(hypers))
        return (gradients, collections), metrics

    return Learner(None, step, step)


PADDED = np.array([1, 1] * 4 + [1, 0] * 3 + [0, 0], np.float32)  # 8 devices with 2, 1 or 0 rows of their 2


@pytest.mark.parametrize("way", [per_device, pmapped])
def test_eight_unequally_padded_devices_find_the_gradient_by_hand(way):
    batch, variables = {**rows(16), "mask": PADDED}, least_squares.init(jax.random.key(1))
    learner = way(gradient_as_learner(least_squares, Hypers()), device_mesh(8))
    (gradients, _), metrics = jax.jit(learner.step)(variables, batch)
    w = variables["params"]["w"]
    np.testing.assert_allclose(gradients["w"], gradient_by_hand(w, batch), rtol=1e-5)
    np.testing.assert_allclose(metrics["loss"], loss_by_hand(w, batch), rtol=1e-5)


@pytest.mark.parametrize("way", [per_device, pmapped])
def test_the_loss_on_each_device_draws_random_numbers_of_its_own(way):
    learner = gradient_as_learner(least_squares, Hypers())
    variables = least_squares.init(jax.random.key(1))
    draws = [jax.jit(way(learner, device_mesh(n)).step)(variables, rows(16))[1]["noise"] for n in (1, 2, 8)]
    assert np.abs(np.diff(draws)).min() > 1e-3  # the mean of one draw, of two and of eight


@pytest.mark.parametrize("way", [per_device, pmapped])
@pytest.mark.parametrize("task", [mlp_task, small_cnn], ids=["mlp", "cnn with batch normalisation"])
def test_eight_unequally_padded_devices_equal_one(task, way):
    batch = {**image_batch(0), "mask": PADDED}
    variables, learner = jax.jit(task.init)(jax.random.key(0)), gradient_as_learner(task, SgdHypers())
    one = jax.jit(learner.step)(variables, batch)
    eight = jax.jit(way(learner, device_mesh(8)).step)(variables, batch)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), eight, one)
