import os
import signal
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy_learner import Hypers, assert_same_bits, batch_of, learner

from mlr_jax.core.types import Resident
from mlr_jax.train import hooks
from mlr_jax.train.checkpoint import Checkpoints
from mlr_jax.train.loop import Stop, fit

STATE = {"w": jnp.arange(3.0)}


@pytest.fixture
def calls():
    return []


@pytest.fixture
def checkpoints(tmp_path):
    made = Checkpoints(tmp_path / "checkpoints")
    yield made
    made.close()


def noting(calls):
    return lambda step, state, metrics: calls.append((step, metrics))


@pytest.mark.parametrize(
    ("period", "start", "last", "steps", "called"),
    [
        (10, 0, None, [5, 10, 15, 20], [10, 20]),
        (10, 0, None, [4, 8, 12, 16, 20], [12, 20]),
        (10, 0, None, [25, 50], [25, 50]),
        (10, 10, None, [15, 20], [20]),
        (10, 15, None, [16, 18, 22], [22]),
        (10, 0, 27, [10, 20, 27], [10, 20, 27]),
        (10, 0, 20, [10, 20], [10, 20]),
        (100, 0, 7, [5, 7], [7]),
    ],
)
def test_every_calls_when_a_multiple_was_passed_and_at_the_last_step(period, start, last, steps, called):
    calls = []
    hook = hooks.every(period, noting(calls), start=start, last=last)
    for step in steps:
        hook(step, STATE, {})
    assert [step for step, _ in calls] == called


def test_record_training_writes_the_mean_over_the_chunk(calls):
    write = hooks.record_training(lambda step, values: calls.append((step, values)))
    write(8, STATE, {"loss": jnp.array([[1.0, 10.0], [3.0, 20.0]]), "norm": jnp.array([0.25, 0.75], jnp.bfloat16)})
    [(step, values)] = calls
    assert step == 8
    assert list(values) == ["train_loss", "train_norm"]
    np.testing.assert_array_equal(values["train_loss"], [2.0, 15.0])
    assert (values["train_norm"], values["train_norm"].dtype) == (0.5, np.float64)


def test_evaluate_splits_writes_every_split_and_hands_the_values_on(calls):
    written = []
    evaluations = {"val": lambda state: {"loss": state["w"].sum()}, "test": lambda state: {"accuracy": 0.5}}
    hook = hooks.evaluate_splits(evaluations, lambda step, values: written.append((step, values)), [noting(calls)] * 2)
    hook(6, STATE, {"loss": jnp.ones(2)})
    assert written == [(6, {"val_loss": 3.0, "test_accuracy": 0.5})]
    assert calls == written * 2


def improvements(mode, values):
    improvement = hooks.Improvement("loss", mode)
    return [improvement(step, {"loss": value}) for step, value in enumerate(values, 1)], improvement


@pytest.mark.parametrize(
    ("mode", "better", "step"),
    [("min", [True, True, True, False, False], 3), ("max", [True, False, False, False, True], 5)],
)
def test_improvement_is_strict_and_follows_the_median_over_members(mode, better, step):
    found, improvement = improvements(
        mode, [[0.0, 4.0, 9.0], [1.0, 3.5, 9.0], [1.0, 1.0, 1.0], [0.0, 1.0, 9.0], [9.0, 9.0, 0.0]]
    )
    assert found == better
    assert improvement.step == step
    assert improvement.stale_for == 5 - step


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_a_member_that_is_lost_does_not_hide_the_progress_of_the_others(mode, lost):
    values = [1.0, 0.5] if mode == "min" else [0.5, 1.0]
    assert improvements(mode, [[value, lost] for value in values])[0] == [True, True]
    assert improvements(mode, [[lost, lost]])[0] == [False]


def test_improvement_ignores_what_it_does_not_follow():
    improvement = hooks.Improvement("loss")
    assert not improvement(9, {"accuracy": 1.0})
    assert (improvement.step, improvement.stale_for) == (0, 0)


def test_a_replayed_improvement_goes_on_as_if_it_had_never_stopped():
    history = [
        {"step": 2, "loss": np.array([3.0])},
        {"step": 3, "train_loss": 1.0},
        {"step": 4, "loss": np.array([2.0])},
    ]
    improvement = hooks.Improvement("loss").replay([*history, {"step": 6, "loss": np.array([5.0])}])
    assert (improvement.best, improvement.step, improvement.stale_for) == (2.0, 4, 2)
    assert not improvement(8, {"loss": 2.0})
    assert improvement(10, {"loss": 1.9})


def test_early_stopping_stops_when_patience_is_used_up():
    hook = hooks.early_stopping(hooks.Improvement("val_loss"), patience=4)
    for step, loss in ((2, 1.0), (4, 0.5), (6, 0.7)):
        hook(step, STATE, {"val_loss": loss})
    hook(7, STATE, {"other": 0.0})
    with pytest.raises(Stop, match="val_loss has not improved since step 4"):
        hook(8, STATE, {"val_loss": 0.5})


def test_keep_best_saves_only_what_improves_and_it_is_on_the_disk(tmp_path):
    best = Checkpoints(tmp_path, keep=1)
    hook = hooks.keep_best(best, hooks.Improvement("loss"))
    on_disk = []
    for step, loss in ((1, 3.0), (2, 1.0), (3, 2.0)):
        hook(step, {"w": jnp.full(2, step)}, {"loss": loss})
        on_disk.append(best.steps())
    step, state = best.restore({"w": jnp.zeros(2, jnp.int32)})
    best.close()
    assert on_disk == [[1], [2], [2]]
    assert step == 2
    assert_same_bits(state, {"w": jnp.full(2, 2)})


def test_save_checkpoints_saves(checkpoints):
    hooks.save_checkpoints(checkpoints)(5, STATE, {})
    checkpoints.wait()
    assert checkpoints.steps() == [5]


def of_members(*rows):
    return {"loss": jnp.zeros((2, len(rows[0]))), "norm": jnp.array(rows, jnp.float32)}


def test_nan_guard_is_silent_while_all_is_finite(calls):
    hooks.nan_guard(calls.append)(1, STATE, of_members([1.0, 2.0], [3.0, 4.0]))
    hooks.nan_guard(calls.append)(1, STATE, {})
    assert calls == []


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_guard_announces_a_lost_member_once_and_the_others_go_on(bad, calls):
    hook = hooks.nan_guard(calls.append)
    hook(10, STATE, of_members([1.0, bad, 1.0], [1.0, 1.0, 1.0]))
    hook(20, STATE, of_members([1.0, bad, 1.0], [1.0, bad, 1.0]))
    hook(30, STATE, of_members([bad, bad, 1.0], [1.0, 1.0, 1.0]))
    assert calls == [
        "member 1: norm is not finite by step 10; the other members go on",
        "member 0: norm is not finite by step 30; the other members go on",
    ]


def test_nan_guard_names_the_metric_of_each_member(calls):
    hooks.nan_guard(calls.append)(1, STATE, {"a": jnp.array([[1.0, np.nan, 1]]), "b": jnp.array([[np.inf, 1.0, 1]])})
    assert [message.split(" is")[0] for message in calls] == ["member 0: b", "member 1: a"]


@pytest.mark.parametrize("metrics", [of_members([np.nan, 1.0], [1.0, np.inf]), {"norm": jnp.array([1.0, np.nan])}])
def test_nan_guard_ends_the_run_when_all_are_lost(metrics, calls):
    with pytest.raises(hooks.NonFinite, match="norm is not finite by step 10: the run has diverged"):
        hooks.nan_guard(calls.append)(10, STATE, metrics)
    assert calls == []


@pytest.fixture
def signals():
    """Handlers that note a signal instead of ending the tests."""
    received = []
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda number, frame: received.append(number)) for number in numbers}
    yield received
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_chunk_finish_saves_and_raises(number, signals, checkpoints):
    def be_preempted(step, state, metrics):
        if step == 4:
            os.kill(os.getpid(), number)

    state = learner.init(jax.random.key(0), Hypers())
    with hooks.Preemption() as preemption:
        watching = [be_preempted, preemption.hook(checkpoints)]
        with pytest.raises(hooks.Preempted) as caught:
            fit(learner, state, Resident(batch_of(0)), num_steps=10, chunk=2, hooks=watching)
    assert str(caught.value) == f"{number.name}: saved at step 4"
    assert (caught.value.signal_number, caught.value.step) == (number, 4)
    assert signals == []
    reached, _ = fit(learner, state, Resident(batch_of(0)), num_steps=4, chunk=2)
    assert_same_bits(checkpoints.restore(state), (4, reached))


def test_a_second_signal_ends_the_process_as_usual(signals):
    with hooks.Preemption() as preemption:
        os.kill(os.getpid(), signal.SIGTERM)
        assert (preemption.signal_number, signals) == (signal.SIGTERM, [])
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals == [signal.SIGTERM]


def test_after_preemption_signals_are_given_back(signals, checkpoints):
    with hooks.Preemption() as preemption:
        preemption.hook(checkpoints)(3, STATE, {})
    os.kill(os.getpid(), signal.SIGINT)
    assert (preemption.signal_number, signals, checkpoints.steps()) == (0, [signal.SIGINT], [])


def test_progress_shows_step_metric_and_rate(capsys):
    with hooks.Progress(20, 10, items_per_step=4, unit="images") as progress:
        for step in (12, 16, 20):
            time.sleep(0.01)
            progress(step, STATE, {"loss": jnp.array([[9.0, 9.0], [1.0, 2.0]])})
    shown = capsys.readouterr().err
    assert "20/20" in shown
    assert "loss 1.5" in shown
    assert "images/s" in shown


def test_progress_needs_no_metric(capsys):
    with hooks.Progress(2, 0, items_per_step=1, unit="rows") as progress:
        progress(2, STATE, {})
    assert "2/2" in capsys.readouterr().err


@pytest.mark.parametrize("chunks", [1, 2, 4])
def test_a_profile_is_written_for_one_chunk(tmp_path, chunks):
    state = learner.init(jax.random.key(0), Hypers())
    with hooks.Profile(tmp_path) as profile:
        fit(learner, state, Resident(batch_of(0)), num_steps=2 * chunks, chunk=2, hooks=[profile])
    assert len(list(tmp_path.rglob("*.xplane.pb"))) == 1
    jax.profiler.start_trace(str(tmp_path / "again"))
    jax.profiler.stop_trace()
