import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy_learner import Hypers, assert_same_bits, batch_of, learner, source

from mlr_jax.core.types import Resident
from mlr_jax.train.loop import Stop, fit

RESIDENT = Resident(batch_of(0))


def start_state():
    return learner.init(jax.random.key(0), Hypers())


def by_hand(num_steps, batch_at=batch_of):
    """The states after each step, and the losses, by a plain loop."""
    state, states, losses = start_state(), [], []
    step = jax.jit(learner.step)
    for index in range(num_steps):
        state, metrics = step(state, batch_at(index))
        states.append(state)
        losses.append(metrics["loss"])
    return states, np.array(losses)


def recorder(calls):
    return lambda step, state, metrics: calls.append((step, int(state.step), np.array(metrics["loss"])))


def test_a_fit_equals_a_plain_loop():
    calls = []
    state, _ = fit(learner, start_state(), source, num_steps=7, chunk=3, hooks=[recorder(calls)])
    states, losses = by_hand(7)
    np.testing.assert_allclose(state.x, states[-1].x, rtol=1e-5)
    np.testing.assert_allclose(np.concatenate([call[2] for call in calls]), losses, rtol=1e-5)


def test_resident_data_is_given_to_every_step():
    state, _ = fit(learner, start_state(), RESIDENT, num_steps=5, chunk=2)
    np.testing.assert_allclose(state.x, by_hand(5, lambda index: batch_of(0))[0][-1].x, rtol=1e-5)


@pytest.mark.parametrize(("start", "ends"), [(0, [3, 6, 9, 10]), (2, [3, 6, 9, 10]), (3, [6, 9, 10]), (7, [9, 10])])
@pytest.mark.parametrize("data", [source, RESIDENT], ids=["stream", "resident"])
def test_chunks_end_at_multiples_of_chunk_from_any_start(start, ends, data):
    calls = []
    state = start_state()._replace(step=jnp.int32(start))
    fit(learner, state, data, num_steps=10, chunk=3, start=start, hooks=[recorder(calls)])
    assert [call[0] for call in calls] == [call[1] for call in calls] == ends
    assert [len(call[2]) for call in calls] == np.diff([start, *ends]).tolist()


def test_a_chunk_longer_than_the_run_is_cut_to_it():
    calls = []
    fit(learner, start_state(), RESIDENT, num_steps=4, chunk=100, hooks=[recorder(calls)])
    assert [(call[0], len(call[2])) for call in calls] == [(4, 4)]


@pytest.mark.parametrize("border", [3, 6, 9])
@pytest.mark.parametrize("data", [source, RESIDENT], ids=["stream", "resident"])
def test_a_run_resumed_at_a_border_ends_in_the_same_bits(border, data):
    whole, _ = fit(learner, start_state(), data, num_steps=11, chunk=3)
    half, _ = fit(learner, start_state(), data, num_steps=border, chunk=3)
    resumed, _ = fit(learner, half, data, num_steps=11, chunk=3, start=border)
    assert_same_bits(resumed, whole)


def test_hooks_are_called_in_order_after_each_chunk():
    order = []
    hooks = [lambda *_, name=name: order.append(name) for name in "ab"]
    fit(learner, start_state(), RESIDENT, num_steps=4, chunk=2, hooks=hooks)
    assert order == ["a", "b", "a", "b"]


def test_stop_ends_the_run_there_and_later_hooks_are_not_called():
    calls = []

    def stop_at_four(step, state, metrics):
        if step == 4:
            raise Stop("enough")

    state, timing = fit(
        learner, start_state(), source, num_steps=10, chunk=2, hooks=[stop_at_four, recorder(calls)]
    )  # fmt: skip
    assert [call[0] for call in calls] == [2]
    assert (int(state.step), timing.steps) == (4, 4)


def test_any_other_exception_of_a_hook_reaches_the_caller():
    def fail(*_):
        raise KeyError("broken hook")

    with pytest.raises(KeyError, match="broken hook"):
        fit(learner, start_state(), RESIDENT, num_steps=2, hooks=[fail])


def test_the_callers_state_survives():
    state = start_state()
    before = jax.tree.map(jnp.copy, state)
    fit(learner, state, RESIDENT, num_steps=4, chunk=2)
    assert_same_bits(state, before)


def test_the_state_given_to_hooks_is_not_copied_but_donated():
    kept = []
    fit(learner, start_state(), RESIDENT, num_steps=4, chunk=2, hooks=[lambda step, state, metrics: kept.append(state)])
    assert kept[0].x.is_deleted()
    assert not kept[1].x.is_deleted()


def test_the_parts_of_the_timing_add_up():
    def slow_hook(*_):
        time.sleep(0.03)

    since = time.perf_counter()
    _, timing = fit(learner, start_state(), source, num_steps=10, chunk=3, start=2, hooks=[slow_hook])
    elapsed = time.perf_counter() - since
    assert timing.steps == 8
    assert timing.compile_s > 0
    assert timing.compiled_s > 0
    assert timing.compile_s + timing.compiled_s + 4 * 0.03 <= timing.total_s <= elapsed


def test_a_source_that_fails_is_heard():
    def broken(start):
        yield from (batch_of(index) for index in range(3))
        raise OSError("the disk is gone")

    calls = []
    with pytest.raises(OSError, match="the disk is gone"):
        fit(learner, start_state(), source._replace(stream=broken), num_steps=10, chunk=2, hooks=[recorder(calls)])
    assert [call[0] for call in calls] == [2]


def test_one_program_is_compiled_for_each_length_of_chunk():
    traces = []

    def step(state, batch):
        traces.append(batch["x"].shape)
        return learner.step(state, batch)

    fit(learner._replace(step=step), start_state(), RESIDENT, num_steps=10, chunk=3, start=0)
    assert len(traces) == 2


def test_a_chunk_of_another_shape_gets_a_program_of_its_own():
    shapes, rows = [], (4, 4, 8, 8, 4, 4)

    def batch_at(index):
        return {"x": np.resize(batch_of(index)["x"], (rows[index], 3))}

    def step(state, batch):
        shapes.append(batch["x"].shape)
        return learner.step(state, batch)

    stream = source._replace(stream=lambda start: map(batch_at, range(start, 6)))
    state, _ = fit(learner._replace(step=step), start_state(), stream, num_steps=6, chunk=2)
    np.testing.assert_allclose(state.x, by_hand(6, batch_at)[0][-1].x, rtol=1e-5)
    assert shapes == [(4, 3), (8, 3)]


def test_no_steps_are_no_work():
    calls = []
    state, timing = fit(learner, start_state(), source, num_steps=5, start=5, hooks=[recorder(calls)])
    assert_same_bits(state, start_state())
    assert (calls, timing.steps, timing.compile_s, timing.compiled_s) == ([], 0, 0.0, 0.0)


@pytest.mark.parametrize(("start", "num_steps", "chunk"), [(-1, 5, 1), (6, 5, 1), (0, -1, 1), (0, 5, 0)])
def test_numbers_of_steps_that_make_no_sense_are_refused(start, num_steps, chunk):
    with pytest.raises(ValueError, match=f"fit: got start={start}, num_steps={num_steps}, chunk={chunk}; needed are"):
        fit(learner, start_state(), RESIDENT, num_steps=num_steps, chunk=chunk, start=start)


def test_a_stream_that_ends_too_early_is_an_error_that_says_so():
    short = source._replace(stream=lambda step: iter([batch_of(0)] * 3))
    with pytest.raises(ValueError, match="the stream ended 2 batches before step 5"):
        fit(learner, start_state(), short, num_steps=5, chunk=5)
