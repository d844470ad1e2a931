import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from toys import Hypers, descent, descent_by_hand, least_squares, rows

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.parallel import device_mesh
from mlr_jax.core.scan import repeat, scan
from mlr_jax.core.sweep import MEMBER_AXIS, sweep

learner = gradient_learner(least_squares, descent)
RATES = [0.0, 0.01, 0.1, 0.3]


def start(swept, count=4):
    return jax.jit(swept.init)(jax.random.split(jax.random.key(0), count), Hypers(jnp.array(RATES[:count])))


@pytest.mark.parametrize(("layout", "devices"), [("vmap", 1), ("map", 1), ("devices", 1), ("devices", 4)])
def test_each_member_descends_by_hand_with_its_own_start_and_rate(layout, devices):
    swept = sweep(learner, layout, device_mesh(devices, MEMBER_AXIS))
    batches = [rows(8, seed) for seed in range(3)]
    state, step = start(swept), jax.jit(swept.step)
    starts = np.array(state.params["w"])
    assert len(np.unique(starts)) == 12
    for batch in batches:
        state, metrics = step(state, batch)
    evaluated = jax.jit(swept.evaluate)(state, batches[0])["loss"]
    for member, rate in enumerate(RATES):
        expected = descent_by_hand(starts[member], batches, rate)[-1]
        np.testing.assert_allclose(state.params["w"][member], expected, rtol=1e-4, atol=1e-6)
        errors = (batches[0]["x"] @ expected - batches[0]["y"]) ** 2
        np.testing.assert_allclose(evaluated[member], errors, rtol=1e-3, atol=1e-5)
    assert metrics["loss"].shape == (4,)
    assert evaluated.shape == (4, 8)


@pytest.mark.parametrize("layout", ["vmap", "map"])
def test_a_loop_over_a_sweep_is_its_steps_one_after_another(layout):
    swept = sweep(learner, layout)
    one, other = rows(8, 0), rows(8, 1)
    together = jax.tree.map(lambda *leaves: np.stack(leaves), one, other, one)
    for loop, data, batches in ((scan, together, [one, other, one]), (repeat, other, [other] * 3)):
        state, losses = start(swept), []
        for batch in batches:
            state, metrics = jax.jit(swept.step)(state, batch)
            losses.append(metrics["loss"])
        looped, metrics = loop(swept, 3)(start(swept), data)
        np.testing.assert_allclose(looped.params["w"], state.params["w"], rtol=1e-6)
        np.testing.assert_allclose(metrics["loss"], losses, rtol=1e-6)


def test_members_one_after_another_take_all_their_steps_before_the_next_one_does():
    [outer] = [
        equation
        for equation in jax.make_jaxpr(repeat(sweep(learner, "map"), 3))(start(sweep(learner)), rows(8))
        .eqns[0]
        .params["jaxpr"]
        .eqns
        if equation.primitive is lax.scan_p
    ]
    assert outer.params["length"] == 4  # members, and the steps inside of it


def test_members_are_spread_over_devices():
    swept = sweep(learner, "devices", device_mesh(2, MEMBER_AXIS))
    for w in (start(swept).params["w"], jax.jit(swept.step)(start(swept), rows(8))[0].params["w"]):
        assert [shard.data.shape for shard in w.addressable_shards] == [(2, 3), (2, 3)]


def test_a_layout_must_be_known():
    with pytest.raises(ValueError, match="layout: got 'grid', allowed are vmap, map, devices"):
        sweep(learner, "grid")


@pytest.mark.parametrize("mesh", [None, device_mesh(2, "data")], ids=["none", "another axis"])
def test_layout_devices_needs_a_mesh_of_members(mesh):
    with pytest.raises(ValueError, match="'devices' needs a mesh with an axis named 'members'"):
        sweep(learner, "devices", mesh)


def test_members_must_divide_over_the_devices():
    swept = sweep(learner, "devices", device_mesh(2, MEMBER_AXIS))
    with pytest.raises(ValueError, match=r"members: got 3, .* needs a multiple of the 2 devices"):
        start(swept, 3)
    with pytest.raises(ValueError, match=r"members: got 3, .* needs a multiple of the 2 devices"):
        swept.step(start(sweep(learner), 3), rows(8))


def test_members_of_a_device_run_side_by_side_or_one_after_another_with_the_same_result():
    results = []
    for on_each in ("vmap", "map"):
        swept = sweep(learner, "devices", device_mesh(2, MEMBER_AXIS), on_each=on_each)
        state = start(swept)
        results.append(jax.jit(swept.step)(state, rows(8))[0].params["w"])
        assert ("scan[" in str(jax.make_jaxpr(swept.step)(state, rows(8)))) == (on_each == "map")
    np.testing.assert_allclose(*results, rtol=1e-6)
