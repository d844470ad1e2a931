"""What is true of every learner (docs/design.md, "The laws")."""

import subprocess
import sys
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learner_case import Case, identity
from learners import LEARNERS

from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.parallel import data_parallel, device_mesh, fsdp, per_device, pmapped
from mlr_jax.core.sweep import MEMBER_AXIS, sweep
from mlr_jax.train.checkpoint import digests

STEPS = 5
DEVICES = 8

# Module scope keeps the laws of one learner together, and so in one process, where its programs are compiled once.
every_learner = pytest.mark.parametrize("name", LEARNERS, scope="module")


@cache
def learner_of(name):
    """The learner itself, one and the same object for every law, so that its programs are compiled once."""
    return LEARNERS[name].make(identity)


@cache
def jitted(function):
    """One compiled function for each function."""
    return jax.jit(function)


def run(learner, state, case: Case, steps: range, compile_step: bool = True):
    """The state after some steps, and the metrics of each."""
    step = jitted(learner.step) if compile_step else learner.step
    history = []
    for index in steps:
        state, metrics = step(state, case.batch(index))
        history.append(metrics)
    return state, jax.tree.map(lambda *values: np.stack(values), *history)


def start(case: Case, learner, seed: int = 0, hypers=None):
    """A first state."""
    return jitted(learner.init)(jax.random.key(seed), as_arrays(case.hypers if hypers is None else hypers))


@cache
def solo(name, seed: int):
    """The state and the metrics of a run with the case's hyper-parameters, or the other ones for an odd seed."""
    case, learner = LEARNERS[name], learner_of(name)
    hypers = case.other_hypers if seed % 2 else case.hypers
    return run(learner, start(case, learner, seed, hypers), case, range(STEPS))


def raw(tree):
    """Arrays that can be compared: keys by their words."""
    return jax.tree.map(
        lambda leaf: jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf, tree
    )


def assert_close(first, second, tolerance: float):
    """Every pair of leaves agrees."""
    jax.tree.map(partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance), raw(first), raw(second))


def stack_states(*states):
    """The states of several solo runs as the state of a sweep."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


@every_learner
def test_step_preserves_structure_shapes_and_dtypes(name):
    case = LEARNERS[name]
    learner = learner_of(name)
    state = start(case, learner)
    after, _ = jax.eval_shape(learner.step, state, case.batch(0))
    before = jax.eval_shape(lambda state: state, state)
    assert jax.tree.structure(before) == jax.tree.structure(after)
    for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        assert (old.shape, old.dtype, old.weak_type) == (new.shape, new.dtype, new.weak_type)


@every_learner
def test_compiled_equals_eager(name):
    case = LEARNERS[name]
    learner = learner_of(name)
    state = start(case, learner)
    compiled, metrics = run(learner, state, case, range(1))
    with jax.disable_jit():
        eager, eager_metrics = run(learner, state, case, range(1), compile_step=False)
    assert_close(compiled, eager, case.tolerance)
    assert_close(metrics, eager_metrics, case.tolerance)


@pytest.mark.parametrize("layout", ["vmap", "map", "devices"])
@every_learner
def test_member_of_a_sweep_equals_its_solo_run(name, layout):
    case = LEARNERS[name]
    learner = learner_of(name)
    mesh = device_mesh(2, MEMBER_AXIS) if layout == "devices" else None
    swept = sweep(learner, layout, mesh)
    settings = [case.hypers, case.other_hypers, case.hypers, case.other_hypers]  # as those of `solo`
    keys = jax.vmap(jax.random.key)(jnp.arange(4))
    hypers = stack_states(*[as_arrays(setting) for setting in settings])
    state = jax.jit(swept.init)(keys, hypers)
    state, metrics = run(swept, state, case, range(STEPS))
    state_words = jax.device_get(raw(state))
    for member in range(4):
        alone, alone_metrics = solo(name, member)
        assert_close(jax.tree.map(lambda leaf, i=member: leaf[i], state_words), raw(alone), case.tolerance)
        assert_close(jax.tree.map(lambda leaf, i=member: leaf[:, i], metrics), alone_metrics, case.tolerance)
    values = jax.jit(swept.evaluate)(state, case.evaluated)
    assert all(value.shape[0] == 4 for value in values.values())


@every_learner
def test_new_hyper_parameters_compile_nothing_new(name):
    case = LEARNERS[name]
    learner = case.make(identity)
    traces = 0

    @jax.jit
    def step(state, batch):
        nonlocal traces
        traces += 1
        return learner.step(state, batch)

    init = jax.jit(learner.init)
    for scale in (1.0, 0.5, 0.25):
        hypers = jax.tree.map(lambda value, scale=scale: value * scale, as_arrays(case.hypers))
        state = init(jax.random.key(0), hypers)
        for index in range(2):
            state, _ = step(state, case.batch(index))
    assert traces == case.traces
    assert init._cache_size() == 1


@every_learner
def test_the_same_key_gives_the_same_run_and_another_key_another(name):
    case = LEARNERS[name]
    learner = learner_of(name)
    first, second, other = (run(learner, start(case, learner, seed), case, range(STEPS))[0] for seed in (0, 0, 1))
    assert digests(first) == digests(second)
    assert digests(first) != digests(other)


@every_learner
def test_metrics_are_finite_and_of_the_promised_shapes(name):
    case = LEARNERS[name]
    state, metrics = solo(name, 0)
    values = jitted(learner_of(name).evaluate)(state, case.evaluated)
    rows = jax.tree.leaves(case.evaluated)[0].shape[0]
    assert metrics
    assert values
    for value in metrics.values():
        assert value.shape == (STEPS,)
        assert np.isfinite(value).all()
    for value in values.values():
        assert value.shape == (rows,)
        assert np.isfinite(value).all()


@pytest.mark.parametrize("junk", [1e6, np.nan])
@every_learner
def test_what_stands_in_the_padding_changes_nothing(name, junk):
    case = LEARNERS[name]
    if not case.padded:
        assert case.resident, "only resident data comes without padding"
        return
    learner = learner_of(name)
    state = start(case, learner)
    batch = case.batch(0)
    rows = batch["y"].shape[0]
    mask = np.arange(rows) < rows - 3

    def padded_with(value: float):
        def pad(leaf):
            filler = np.full_like(leaf, value if leaf.dtype.kind == "f" else 3)
            return np.where(mask.reshape(-1, *(1 for _ in leaf.shape[1:])), leaf, filler)

        return {**jax.tree.map(pad, batch), "mask": mask.astype(np.float32)}

    step = jitted(learner.step)
    clean, clean_metrics = step(state, padded_with(0.0))
    dirty, dirty_metrics = step(state, padded_with(junk))
    assert digests(clean) == digests(dirty)
    assert_close(clean_metrics, dirty_metrics, 0.0)
    if case.any_rows and not case.row_keys:  # a shorter batch would draw other numbers
        alone, alone_metrics = step(state, jax.tree.map(lambda leaf: leaf[:-3], batch))
        assert_close(dirty, alone, case.tolerance)
        assert_close(dirty_metrics, alone_metrics, case.tolerance)


@pytest.mark.parametrize("way", [data_parallel, fsdp, per_device, pmapped])
@every_learner
def test_one_device_and_eight_agree(name, way):
    case = LEARNERS[name]
    mesh, wrapped = device_mesh(DEVICES), []

    def wrap(inner):
        wrapped.append(inner)
        return way(inner, mesh)

    learner, spread = learner_of(name), case.make(wrap)
    if not wrapped:
        assert case.resident, "only resident data comes without rows that devices could share"
        return
    if case.row_keys and way in (per_device, pmapped):  # devices that draw for themselves draw other numbers
        state, metrics = run(spread, start(case, spread), case, range(STEPS))
        assert jax.tree.structure(state) == jax.tree.structure(start(case, learner))
        assert all(np.isfinite(value).all() for value in metrics.values())
        return
    alone, alone_metrics = solo(name, 0)
    together, metrics = run(spread, start(case, spread), case, range(STEPS))
    assert_close(metrics, alone_metrics, case.tolerance)
    assert_close(jax.device_get(raw(together)), jax.device_get(raw(alone)), case.tolerance)
    values = jax.jit(spread.evaluate)(together, case.evaluated)
    values_alone = jitted(learner.evaluate)(alone, case.evaluated)
    assert_close(jax.device_get(values), jax.device_get(values_alone), case.tolerance)


SAVE_AND_RESTORE = """
import sys
sys.path.insert(0, sys.argv[2])
import conftest
from pathlib import Path
import test_learner_laws as laws
laws.resume_all(Path(sys.argv[1]))
"""


def resume_all(folder):
    """In a fresh process: restore each learner from its checkpoint, go on, print the digests of the end."""
    from mlr_jax.train.checkpoint import Checkpoints

    for name, case in LEARNERS.items():
        learner = learner_of(name)
        step, state = Checkpoints(folder / name).restore(start(case, learner, seed=99))
        state, _ = run(learner, state, case, range(step, STEPS))
        print(name, sorted(digests(state).items()))


@pytest.mark.timeout(900)  # every learner in one process, and again in a fresh one
def test_saved_restored_in_a_fresh_process_and_gone_on_is_bit_for_bit_the_uninterrupted_run(tmp_path, root):
    from mlr_jax.train.checkpoint import Checkpoints

    expected = []
    for name, case in LEARNERS.items():
        learner = learner_of(name)
        halfway, _ = run(learner, start(case, learner), case, range(2))
        checkpoints = Checkpoints(tmp_path / name)
        checkpoints.save(2, halfway)
        checkpoints.close()
        state, _ = run(learner, halfway, case, range(2, STEPS))
        expected.append(f"{name} {sorted(digests(state).items())}")
    output = subprocess.run(
        [sys.executable, "-c", SAVE_AND_RESTORE, str(tmp_path), str(root / "tests")],
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert output.stdout.splitlines() == expected, output.stderr[-2000:]
