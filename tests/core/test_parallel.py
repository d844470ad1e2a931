from functools import cache, partial

import jax
import numpy as np
import pytest
from jax import lax
from learners import SgdHypers, image_batch, mlp_task
from toys import small_cnn

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.optimizers import sgd
from mlr_jax.core.parallel import data_parallel, device_mesh, fsdp, per_device, pmapped

STEPS = 50
WAYS = [data_parallel, fsdp, per_device, pmapped]
LEARNERS = {name: gradient_learner(task, sgd()) for name, task in {"mlp": mlp_task, "cnn": small_cnn}.items()}
TOLERANCE = 1e-5


BATCHES = jax.tree.map(lambda *leaves: np.stack(leaves), *map(image_batch, range(STEPS)))


@cache
def start(name):
    """A first state, on one device."""
    return jax.jit(LEARNERS[name].init)(jax.random.key(0), as_arrays(SgdHypers(learning_rate=0.01)))


def train(learner, name):
    """The loss at each step of SGD with momentum, decay and clipping."""
    _, metrics = jax.jit(partial(lax.scan, learner.step))(start(name), BATCHES)
    return np.array(metrics["loss"])


@cache
def losses_on_one_device(name):
    return train(LEARNERS[name], name)


@cache
def step_once(way, devices):
    """The state of the perceptron after its start and one step."""
    learner = way(LEARNERS["mlp"], device_mesh(devices))

    def run(key, hypers, batch):
        return learner.step(learner.init(key, hypers), batch)[0]

    return jax.jit(run)(jax.random.key(0), SgdHypers(), image_batch(0))


@pytest.mark.parametrize("devices", [1, 2, 8])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", LEARNERS)
def test_fifty_steps_have_the_loss_curve_of_one_device(name, way, devices):
    losses = train(way(LEARNERS[name], device_mesh(devices)), name)
    alone = losses_on_one_device(name)
    assert alone[-5:].mean() < 0.8 * alone[:5].mean()  # it learns: the curves are not flat
    assert np.abs(losses - alone).max() < TOLERANCE


def is_cut(leaf, devices):
    """Whether each device holds 1 / devices of the array (True) or all of it (False)."""
    sizes = {shard.data.size for shard in leaf.addressable_shards}
    assert len(leaf.addressable_shards) == devices
    assert sizes in ({leaf.size}, {leaf.size // devices})
    return sizes != {leaf.size}


@pytest.mark.parametrize("devices", [2, 8])
def test_fsdp_holds_one_part_of_parameters_and_momentum_on_each_device(devices):
    state = step_once(fsdp, devices)
    large = [leaf for leaf in jax.tree.leaves((state.params, state.opt_state)) if leaf.size >= 16]
    assert sorted(leaf.shape for leaf in large) == [(16,)] * 2 + [(16, 4)] * 2 + [(64, 16)] * 2
    assert all(is_cut(leaf, devices) for leaf in large)
    held = max(sum(leaf.addressable_shards[d].data.size for leaf in large) for d in range(devices))
    assert held == sum(leaf.size for leaf in large) // devices
    assert not is_cut(state.hypers.learning_rate, devices)


def test_fsdp_copies_an_array_that_has_no_axis_to_cut():
    state = step_once(fsdp, 8)
    assert not is_cut(state.params["Dense_1"]["bias"], 8)  # 4 outputs over 8 devices


@pytest.mark.parametrize("way", [data_parallel, per_device, pmapped])
def test_the_other_ways_keep_a_copy_of_the_state_on_each_device(way):
    state = step_once(way, 8)
    assert not any(is_cut(leaf, 8) for leaf in jax.tree.leaves((state.params, state.opt_state)))


@pytest.mark.parametrize("way", WAYS)
def test_evaluation_returns_every_row_in_order(way):
    learner, mesh = LEARNERS["mlp"], device_mesh(8)
    values = jax.jit(way(learner, mesh).evaluate)(start("mlp"), image_batch(3))
    expected = learner.evaluate(start("mlp"), image_batch(3))
    assert values["loss"].shape == (16,)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), values, expected)


@pytest.mark.parametrize("method", ["step", "evaluate"])
@pytest.mark.parametrize("way", WAYS)
def test_rows_must_divide_over_the_devices(way, method):
    learner = way(LEARNERS["mlp"], device_mesh(8))
    with pytest.raises(ValueError, match=r"shape \(12,.*\), its rows must divide over 8 devices"):
        getattr(learner, method)(start("mlp"), image_batch(0, rows=12))


@pytest.mark.parametrize("way", WAYS)
def test_an_array_without_rows_is_no_batch(way):
    learner = way(LEARNERS["mlp"], device_mesh(2))
    with pytest.raises(ValueError, match=r"shape \(\), its rows must divide"):
        learner.step(start("mlp"), {**image_batch(0), "a": np.float32(1)})


@pytest.mark.parametrize("devices", [-1, 0, 9])
def test_a_mesh_has_only_devices_that_are_there(devices):
    with pytest.raises(ValueError, match=f"devices: got {devices}, allowed are 1 to 8"):
        device_mesh(devices)


def test_a_mesh_has_the_first_devices_on_one_named_axis():
    mesh = device_mesh(3, "members")
    assert dict(mesh.shape) == {"members": 3}
    assert mesh.devices.tolist() == jax.devices()[:3]
