import json
import os
import shutil
import signal
from pathlib import Path

import jax
import numpy as np
import pytest
from toy_experiment import BEST_STEP, Config, build

from mlr_jax.core.types import Learner
from mlr_jax.experiment.main import main
from mlr_jax.experiment.run import plan, run
from mlr_jax.report import page, records
from mlr_jax.train import hooks
from mlr_jax.train.checkpoint import CheckpointError

SUMMARY_KEYS = [
    "experiment", "seeds", "steps", "metrics", "groups", "wall_s", "compile_s", "items_per_s", "unit", "device",
    "versions",
]  # fmt: skip


@pytest.fixture(autouse=True)
def no_report(monkeypatch, request):
    """Drawing the report takes longer than the rest of a run: only the tests that look at it wait for it."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(page, "write", lambda folder: folder / page.FILE_NAME)


@pytest.fixture
def drawn():
    """Reports are written."""


def plan_of(folder: Path, make=build, **changes):
    return plan("toys/toy", "python experiments/toys/toy.py", Config(out=folder, **changes), make)


def execute(folder: Path, make=build, say=lambda message: None, **changes):
    return run(plan_of(folder, make, **changes), say)


def preempted_at_evaluation(number: int):
    """The experiment, to which a signal is sent during one of its evaluations."""
    count = 0

    def make(config):
        experiment = build(config)

        def batches():
            nonlocal count
            count += 1
            # The first two calls trace and compile.
            if count == number + 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return experiment.evaluations["test"]()

        return experiment._replace(evaluations={**experiment.evaluations, "test": batches})

    return make


def last_checkpoint(folder: Path, kind: str = "checkpoints"):
    """(step, digests) of the newest checkpoint."""
    newest = max((path for path in (folder / kind).iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    return int(newest.name), json.loads((newest / "table" / "metadata").read_text())["leaves"]


def without_clock(folder: Path):
    log = records.read(folder / "records.jsonl")
    return [{name: np.asarray(value).tolist() for name, value in entry.items() if name != "wall_s"} for entry in log]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing interrupts, and its summary."""
    folder = tmp_path_factory.mktemp("run") / "whole"
    return folder, execute(folder)


def test_a_run_leaves_its_files(whole):
    folder, summary = whole
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "records.jsonl", "summary.json", "report.html", "checkpoints", "best"} <= names
    assert not [name for name in names if name.endswith(".tmp")]
    assert json.loads((folder / "summary.json").read_text()) == summary
    assert last_checkpoint(folder)[0] == 20
    config = json.loads((folder / "config.json").read_text())
    assert config["experiment"] == "toys/toy"
    assert config["command"] == "python experiments/toys/toy.py"
    assert config["members"] == [{"seed": 0}, {"seed": 1}]
    assert (config["config"]["rate"], config["hypers"]) == (0.25, {"rate": 0.25})


def test_the_summary_has_these_keys_and_no_others(whole):
    _, summary = whole
    assert list(summary) == SUMMARY_KEYS
    assert (summary["experiment"], summary["seeds"], summary["steps"], summary["unit"]) == ("toys/toy", 2, 20, "rows")
    assert list(summary["metrics"]) == ["train_loss", "train_step", "val_loss", "test_loss"]
    for entry in summary["metrics"].values():
        assert list(entry) == ["mean", "ci95", "members"]
        assert entry["mean"] == pytest.approx(np.mean(entry["members"]))
    assert summary["metrics"]["train_step"]["members"] == [18.5, 18.5]
    assert summary["items_per_s"] > 0
    assert summary["device"] == "cpu x 1"
    assert {"python", "jax", "numpy"} <= set(summary["versions"])


def test_compiling_is_a_part_of_the_time_that_a_run_takes(whole):
    _, summary = whole
    assert 0 < summary["compile_s"] <= summary["wall_s"] + 0.02


def test_there_is_a_record_of_each_chunk_and_of_each_evaluation(whole):
    log = without_clock(whole[0])
    assert [entry["step"] for entry in log if "train_loss" in entry] == list(range(2, 21, 2))
    assert [entry["step"] for entry in log if "val_loss" in entry] == [4, 8, 12, 16, 20]


def test_members_of_a_sweep_equal_their_solo_runs(tmp_path):
    summary = execute(tmp_path / "sweep", sweep=("rate=0.1,0.5",), seed=3)
    config = json.loads((tmp_path / "sweep" / "config.json").read_text())
    assert config["members"] == [{"seed": seed, "rate": rate} for rate in (0.1, 0.5) for seed in (3, 4)]
    assert [group["hypers"] for group in summary["groups"]] == [{"rate": 0.1}, {"rate": 0.5}]
    for index in (0, 3):
        member = config["members"][index]
        folder = tmp_path / str(index)
        execute(folder, seeds=1, **member)
        for swept, solo in zip(without_clock(tmp_path / "sweep"), without_clock(folder), strict=True):
            assert list(swept) == list(solo)
            for name in solo.keys() - {"step"}:
                np.testing.assert_allclose(swept[name][index], solo[name][0], rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("layout", ["map", "two devices"])
def test_the_layout_of_members_changes_no_number(tmp_path, whole, layout):
    changes = {"devices": 2} if layout == "two devices" else {"layout": layout}
    execute(tmp_path / "run", **changes)
    for first, second in zip(without_clock(whole[0]), without_clock(tmp_path / "run"), strict=True):
        assert list(first) == list(second)
        np.testing.assert_allclose(
            *[[entry[name] for name in entry if name != "step"] for entry in (first, second)], rtol=1e-5
        )


@pytest.mark.parametrize("evaluation", [1, 3, 5])
def test_a_run_preempted_and_resumed_ends_as_if_nothing_had_happened(tmp_path, whole, evaluation):
    folder, said = tmp_path / "run", []
    with pytest.raises(hooks.Preempted) as caught:
        execute(folder, preempted_at_evaluation(evaluation))
    assert caught.value.step == 4 * evaluation
    assert not (folder / "summary.json").exists()
    summary = execute(folder, say=said.append, resume=True)
    assert said == [f"resuming from step {4 * evaluation} of 20"]
    assert without_clock(folder) == without_clock(whole[0])
    assert last_checkpoint(folder) == last_checkpoint(whole[0])
    assert last_checkpoint(folder, "best") == last_checkpoint(whole[0], "best")
    assert summary["metrics"] == whole[1]["metrics"]
    clock = [entry["wall_s"] for entry in records.read(folder / "records.jsonl")]
    assert clock == sorted(clock)


# See tests/train/test_checkpoint.py.
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
def test_a_run_whose_newest_checkpoint_is_damaged_goes_on_from_the_one_before(tmp_path, whole):
    folder, said = tmp_path / "run", []
    with pytest.raises(hooks.Preempted):
        execute(folder, preempted_at_evaluation(3))
    (folder / "checkpoints" / "12" / "table" / "metadata").write_text("{}")
    execute(folder, say=said.append, resume=True)
    assert [message.split(" ")[0] for message in said] == ["checkpoint", "resuming"]
    assert said[1] == "resuming from step 10 of 20"
    assert without_clock(folder) == without_clock(whole[0])
    assert last_checkpoint(folder) == last_checkpoint(whole[0])


@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
def test_a_run_whose_checkpoints_are_all_damaged_is_not_started_anew_in_silence(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(hooks.Preempted):
        execute(folder, preempted_at_evaluation(1))
    for table in folder.glob("checkpoints/*/table/metadata"):
        table.write_text("{}")
    with pytest.raises(CheckpointError, match="all 2 are damaged"):
        execute(folder, resume=True)


def test_a_run_that_was_killed_before_its_first_checkpoint_starts_anew(tmp_path, whole):
    folder, said = tmp_path / "run", []

    def die(config):
        def init(key, hypers):
            raise MemoryError

        return build(config)._replace(learner=Learner(init, *build(config).learner[1:]))

    planned = plan_of(folder)
    with pytest.raises(MemoryError):
        run(planned._replace(learner=die(planned.settings).learner))
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["config.json"]
    execute(folder, say=said.append, resume=True)
    assert said == ["nothing to resume from: starting anew"]
    assert without_clock(folder) == without_clock(whole[0])
    assert last_checkpoint(folder) == last_checkpoint(whole[0])


def test_resuming_a_finished_run_changes_nothing(tmp_path, whole):
    folder, said = shutil.copytree(whole[0], tmp_path / "run"), []
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".html"}
    assert execute(folder, say=said.append, resume=True) == whole[1]
    assert said == ["this run has finished already: nothing to do"]
    assert {
        path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".html"
    } == before


def test_a_run_is_not_resumed_with_another_setting(whole):
    with pytest.raises(ValueError, match=r"--rate: got 0\.5, the run in .* was started with 0\.25"):
        plan_of(whole[0], resume=True, rate=0.5)
    with pytest.raises(ValueError, match=r"--sweep: got \['rate=1'\], the run in .* was started with \[\]"):
        plan_of(whole[0], resume=True, sweep=("rate=1",))
    plan_of(whole[0], resume=True, tensorboard=True, devices=2)


PATIENT = {"overfits": True, "patience": 6, "steps": 40}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that patience ended: evaluated at 4, 8 (the best), 12 and 16."""
    folder = tmp_path_factory.mktemp("stopped") / "whole"
    return folder, execute(folder, **PATIENT)


def test_patience_ends_a_run_and_the_best_state_is_kept(stopped):
    folder, summary = stopped
    assert summary["steps"] == 16
    assert last_checkpoint(folder)[0] == 16
    assert [path.name for path in (folder / "best").iterdir()] == [str(BEST_STEP)]


@pytest.mark.parametrize("evaluation", [1, 2, 3])
def test_best_state_and_patience_survive_a_resume(tmp_path, stopped, evaluation):
    folder = tmp_path / "run"
    with pytest.raises(hooks.Preempted):
        execute(folder, preempted_at_evaluation(evaluation), **PATIENT)
    summary = execute(folder, resume=True, **PATIENT)
    assert summary["steps"] == 16
    assert without_clock(folder) == without_clock(stopped[0])
    assert last_checkpoint(folder) == last_checkpoint(stopped[0])
    assert last_checkpoint(folder, "best") == last_checkpoint(stopped[0], "best")


def test_a_run_that_patience_had_ended_before_it_was_killed_takes_no_more_steps(tmp_path, stopped):
    folder = shutil.copytree(stopped[0], tmp_path / "run")
    (folder / "summary.json").unlink()
    summary = execute(folder, resume=True, **PATIENT)
    assert summary["steps"] == 16
    assert without_clock(folder) == without_clock(stopped[0])
    assert summary["metrics"] == stopped[1]["metrics"]


def test_patience_without_a_validation_split_says_that_it_has_no_effect(tmp_path):
    def without_validation(config):
        experiment = build(config)
        return experiment._replace(evaluations={"test": experiment.evaluations["test"]})

    said = []
    summary = execute(tmp_path / "run", without_validation, said.append, patience=1)
    assert said == ["--patience has no effect without a validation split"]
    assert summary["steps"] == 20


def test_a_member_that_diverges_is_announced_and_the_others_go_on(tmp_path):
    said = []
    with np.errstate(all="ignore"):
        summary = execute(tmp_path / "run", say=said.append, sweep=("rate=0.1,1e12",), seeds=1)
    assert said == ["member 1: loss is not finite by step 4; the other members go on"]
    assert np.isfinite(summary["metrics"]["val_loss"]["members"][0])
    assert summary["metrics"]["val_loss"]["members"][1] is None


def test_a_run_that_diverges_keeps_its_last_good_checkpoint(tmp_path):
    with pytest.raises(hooks.NonFinite, match="loss is not finite by step 4: the run has diverged"):
        execute(tmp_path / "run", rate=1e12)
    assert last_checkpoint(tmp_path / "run")[0] == 2
    assert not (tmp_path / "run" / "summary.json").exists()


def test_tensorboard_and_profile_are_written_where_asked(tmp_path):
    execute(tmp_path / "run", tensorboard=True, profile=True)
    assert list((tmp_path / "run" / "tensorboard").glob("events.out.tfevents.*"))
    assert list((tmp_path / "run" / "profile").rglob("*.xplane.pb"))


def test_figures_are_drawn_and_stand_in_the_report(tmp_path, drawn):
    def figures(state):
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots()
        axes.plot(np.asarray(jax.device_get(state.x)).T)
        plt.close(figure)
        return {"points": figure}

    execute(tmp_path / "run", lambda config: build(config)._replace(figures=figures))
    assert (tmp_path / "run" / "figures" / "points.png").read_bytes().startswith(b"\x89PNG")
    assert "points" in (tmp_path / "run" / "report.html").read_text().lower()


def test_planning_writes_nothing(tmp_path):
    plan_of(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def last_line(capsys, folder: Path, *flags: str) -> str:
    """What the command line ends with where a run fails: exit code 1, and no traceback."""
    with pytest.raises(SystemExit) as caught:
        main(Config, build, {}, ["--out", str(folder), *flags], "toys/toy.py")
    said = capsys.readouterr().err
    assert caught.value.code == 1
    assert "Traceback" not in said
    return said.splitlines()[-1]


def test_the_command_line_says_where_the_last_good_checkpoint_is(tmp_path, capsys):
    said = last_line(capsys, tmp_path / "run", "--rate", "1e12")
    assert said.startswith(
        "error: loss is not finite by step 4: the run has diverged (the newest good checkpoint is in "
    )


@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
def test_the_command_line_says_that_all_checkpoints_are_damaged(tmp_path, capsys):
    folder = tmp_path / "run"
    with pytest.raises(hooks.Preempted):
        execute(folder, preempted_at_evaluation(1))
    for table in folder.glob("checkpoints/*/table/metadata"):
        table.write_text("{}")
    said = last_line(capsys, folder, "--resume")
    assert said == f"error: checkpoints in {folder / 'checkpoints'}: all 2 are damaged, none can be resumed from"


def test_resuming_leaves_the_config_of_the_start_as_it_is(tmp_path):
    with pytest.raises(hooks.Preempted):
        execute(tmp_path / "run", make=preempted_at_evaluation(1))
    before = (tmp_path / "run" / "config.json").read_bytes()
    execute(tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "config.json").read_bytes() == before
