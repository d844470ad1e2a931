import json
import re
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.experiment import run_dir, study
from mlr_jax.experiment.stopwatch import Lap, Stopwatch
from mlr_jax.experiment.study import Findings, Picture, Study, StudySettings, Table
from mlr_jax.report import figures, page
from mlr_jax.report.compare import differences
from mlr_jax.report.formatting import interval as interval_text
from mlr_jax.report.statistics import interval

TINY = {"seeds": 2}


@dataclass(frozen=True)
class Config(StudySettings):
    """A toy study."""

    scale: float = 1.0
    """What everything is multiplied by."""
    data: str = "there"
    """A set that is there or not."""


def build(config):
    study.check_least(config, scale=0)
    if config.data != "there":
        raise FileNotFoundError(f"--data: got {config.data!r}, no such set")
    seeds = range(config.seed, config.seed + config.seeds)

    def measure(watch):
        means = watch.compiled("mean", jax.jit(lambda x: config.scale * x.mean(-1)), jnp.ones((len(seeds), 3)))
        errors = np.asarray(means) / 4 + np.asarray(seeds)
        reference = watch.plain("reference", lambda: 0.25)
        rows = [("ours", interval(errors), np.float32(errors[0])), ("reference", reference, float("nan"))]
        confusion = figures.confusion_matrix([0, 1], [0, 0], ["a", "b"])
        return Findings(
            metrics={"test_error": errors},
            tables=[Table("Errors", ("method", "error", "first"), rows)],
            pictures={
                "z_first": Picture(confusion, "What is to be seen."),
                "a_second": Picture(figures.image_grid(np.eye(4)[None]), "A diagonal."),
            },
            files={"submission.csv": "id,y\n1,2\n"},
        )

    return Study([{"seed": seed} for seed in seeds], measure)


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Runs the study with flags; returns (summary or exit code, what it said)."""
    monkeypatch.chdir(tmp_path)

    def run(*flags, make=build):
        try:
            result = study.main(Config, make, TINY, list(flags), str(tmp_path / "toys" / "toy.py"))
        except SystemExit as stopped:
            result = stopped.code
        said = capsys.readouterr()
        assert said.out == ""
        return result, said.err

    return run


@pytest.fixture
def never_measured(monkeypatch):
    """A study that fails when it is measured."""

    def make(config):
        return build(config)._replace(measure=lambda watch: pytest.fail("measured"))

    return make


def test_a_study_leaves_a_run_that_the_report_can_read(call, tmp_path):
    summary, said = call("--out", "run", "--seeds", "3", "--scale", "2")
    folder = tmp_path / "run"
    assert {path.name for path in folder.iterdir()} == {
        "config.json", "summary.json", "report.html", "figures", "submission.csv"
    }  # fmt: skip
    assert json.loads((folder / "summary.json").read_text()) == summary
    assert summary["metrics"]["test_error"]["members"] == [0.5, 1.5, 2.5]
    config = json.loads((folder / "config.json").read_text())
    assert config["members"] == [{"seed": 0}, {"seed": 1}, {"seed": 2}]
    assert config["config"]["scale"] == 2.0
    assert config["versions"]["scikit-learn"]
    assert (folder / "submission.csv").read_text() == "id,y\n1,2\n"
    assert "toys/toy: 3 members, into run" in said
    assert f"report: {folder.relative_to(tmp_path) / 'report.html'}" in said
    for shown in ("test_error", "Errors", "1.5 ± 2.5", "reference", "Time", "steady state"):
        assert shown in said


def test_tables_and_pictures_are_on_the_page_in_their_order(call, tmp_path):
    summary, _ = call("--out", "run")
    text = (tmp_path / "run" / "report.html").read_text()
    for cell in ("<h2>Errors</h2>", "method", interval_text(summary["metrics"]["test_error"]), "<h2>Time</h2>"):
        assert cell in text, cell
    assert "nan" not in re.sub(r'src="[^"]*"', "", text)
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", text)
    assert captions == ["What is to be seen.", "A diagonal."]


def test_a_finished_study_is_left_as_it_is(call, tmp_path, never_measured):
    call("--out", "run", "--tiny")
    before = (tmp_path / "run" / "summary.json").read_bytes()
    summary, said = call("--out", "run", "--tiny", "--resume", make=never_measured)
    assert "this run has finished already: nothing to do" in said
    assert summary["seeds"] == 2
    assert (tmp_path / "run" / "summary.json").read_bytes() == before


def test_an_interrupted_study_starts_again(call, tmp_path):
    def interrupted(config):
        def measure(watch):
            raise KeyboardInterrupt

        return build(config)._replace(measure=measure)

    code, said = call("--out", "run", make=interrupted)
    assert code == 130
    assert "interrupted: nothing was kept" in said
    assert "Traceback" not in said
    assert not (tmp_path / "run" / "summary.json").exists()
    summary, _ = call("--out", "run", "--resume")
    assert summary["seeds"] == 5


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--seeds 0", "--seeds: got 0, must be at least 1"),
        ("--seed -1", "--seed: got -1, must be at least 0"),
        ("--scale nan", "--scale: got nan, a number is needed"),
        ("--scale -1", "--scale: got -1.0, must be at least 0"),
        ("--scale fast", "'fast'"),
        ("--steps 3", "--steps"),
        ("--data elsewhere", "--data: got 'elsewhere', no such set"),
        ("--resume", "--resume: got no --out"),
        ("--out file", "is a file; a folder is needed"),
        ("--out foreign", "which holds files that are no run"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line_and_leaves_nothing(call, tmp_path, never_measured, flags, message):
    (tmp_path / "file").write_text("")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("years of work")
    before = sorted(tmp_path.rglob("*"))
    code, said = call(*flags.split(), make=never_measured)
    assert code == 2
    assert re.fullmatch(r"error: [^\n]+\n", said), said
    assert message in said
    assert sorted(tmp_path.rglob("*")) == before


def test_another_run_is_never_written_over(call, never_measured):
    call("--out", "run")
    assert call("--out", "run", make=never_measured)[1].endswith(
        "which holds a run already; --resume goes on with it\n"
    )
    refused = call("--out", "run", "--resume", "--scale", "3", make=never_measured)[1]
    assert "--scale: got 3.0, the run in" in refused


def test_a_folder_that_another_process_writes_to_is_refused(call, tmp_path):
    (tmp_path / "run").mkdir()
    with run_dir.owned(tmp_path / "run"):
        code, said = call("--out", "run")
    assert code == 2
    assert "which another process is writing to" in said


def test_studies_are_compared_like_runs(call, tmp_path):
    call("--out", "one")
    call("--out", "two", "--scale", "2")
    [row] = differences([tmp_path / "one", tmp_path / "two"])
    assert (row.metric, row.run) == ("test_error", "two")
    assert row.difference["mean"] == pytest.approx(0.25)


def test_the_page_is_the_same_when_written_again(call, tmp_path):
    call("--out", "run")
    before = (tmp_path / "run" / "report.html").read_text()
    assert page.write(tmp_path / "run").read_text() == before


def test_the_stopwatch_splits_the_first_call_from_the_others():
    watch, calls = Stopwatch(), []

    def program(x):
        calls.append(x)
        return jnp.asarray(x) + 1

    assert watch.compiled("program", program, 1, repeats=2) == 2
    assert watch.plain("plain", program, 2) == 3
    assert watch.compiled("once", program, 3, repeats=0) == 4
    assert calls == [1, 1, 1, 2, 3]
    program_lap, plain_lap, once_lap = watch.laps
    assert program_lap.first_s > 0
    assert program_lap.steady_s > 0
    assert plain_lap.first_s is None
    assert once_lap.steady_s is None


def test_the_stopwatch_times_calls_of_one_shape_together():
    watch = Stopwatch()
    assert watch.compiled_each("program", lambda a, b: a + b, [(1, 2), (3, 4), (5, 6)]) == [3, 7, 11]
    assert watch.compiled_each("once", lambda a: -a, [(1,)]) == [-1]
    assert watch.plain_each("plain", lambda a: 2 * a, [(1,), (2,)]) == [2, 4]
    program, once, plain = watch.laps
    assert None not in program
    assert (once.steady_s, plain.first_s) == (None, None)
    assert plain.steady_s > 0


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, None), (2.5, "2.5 s"), (0.0321, "32.1 ms"), (4e-6, "4 µs"), (123.4, "123 s")]
)
def test_times_are_told_in_the_unit_that_suits(seconds, text):
    assert study._times([Lap("fit", seconds, None)]).rows == [("fit", text, None)]


def test_what_compiling_took_is_never_less_than_nothing():
    assert Lap("a", 1.5, 0.5).compile_s == 1.0
    assert Lap("a", 0.5, 1.5).compile_s == 0.0
    assert Lap("a", None, 1.0).compile_s == 0.0
    assert Lap("a", 1.0, None).compile_s == 0.0
