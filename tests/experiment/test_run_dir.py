import json

import pytest

from mlr_jax.experiment import run_dir
from mlr_jax.report import records

CONFIG = {"steps": 5, "devices": 1, "learning_rate": 0.1}


@pytest.fixture
def run(tmp_path):
    """The folder of a run of `vision/toy`."""
    folder = tmp_path / "run"
    folder.mkdir()
    run_dir.write_json(folder / run_dir.CONFIG, {"experiment": "vision/toy", "config": CONFIG})
    return folder


def test_out_is_taken_as_it_is_and_else_the_next_number_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_dir.choose("vision/toy", tmp_path / "mine") == tmp_path / "mine"
    assert run_dir.choose("vision/toy", None) == tmp_path / "runs" / "vision" / "toy" / "001"
    for number in ("001", "002", "004"):
        (tmp_path / "runs" / "vision" / "toy" / number).mkdir(parents=True)
    assert run_dir.choose("vision/toy", None).name == "003"
    assert not (tmp_path / "runs" / "vision" / "toy" / "003").exists()


def test_a_new_and_an_empty_folder_are_free(tmp_path):
    for resume in (False, True):
        run_dir.check(tmp_path / "new" / "nested", "vision/toy", CONFIG, resume)
        run_dir.check(tmp_path, "vision/toy", CONFIG, resume)


def test_a_run_may_be_resumed_on_other_devices(run):
    run_dir.check(run, "vision/toy", CONFIG, resume=True)
    run_dir.check(run, "vision/toy", {**CONFIG, "devices": 8}, resume=True)


@pytest.mark.parametrize(
    ("name", "changes", "resume", "message"),
    [
        ("vision/toy", {}, False, "which holds a run already; --resume goes on with it"),
        ("vision/other", {}, True, "which holds a run of vision/toy, not of vision/other"),
        ("vision/toy", {"learning_rate": 0.2}, True, "--learning-rate: got 0.2, the run in .* was started with 0.1;"),
        ("vision/toy", {"new": 1}, True, "--new: got 1, the run in .* was started with None;"),
    ],
)
def test_a_folder_that_holds_another_run_is_refused(run, name, changes, resume, message):
    with pytest.raises(ValueError, match=message):
        run_dir.check(run, name, {**CONFIG, **changes}, resume)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize(
    ("file", "content"),
    [("thesis.txt", "years of work"), ("config.json", "[1]"), ("config.json", "{}"), ("config.json", "{cut of")],
)
def test_a_folder_of_other_files_is_refused_and_left_alone(tmp_path, file, content, resume):
    (tmp_path / file).write_text(content)
    with pytest.raises(ValueError, match="which holds files that are no run; allowed is a new or empty folder"):
        run_dir.check(tmp_path, "vision/toy", CONFIG, resume)
    assert (tmp_path / file).read_text() == content


def test_a_file_and_what_would_lie_under_it_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(
            ValueError, match=f"--out: got {path}, but {tmp_path / 'file'} is a file; a folder is needed"
        ):
            run_dir.check(path, "vision/toy", CONFIG, resume=False)


def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(run_dir.os, "access", lambda path, mode: False)
    with pytest.raises(ValueError, match=f"but {tmp_path} may not be written to"):
        run_dir.check(tmp_path / "run", "vision/toy", CONFIG, resume=False)


def test_history_forgets_the_steps_that_will_be_taken_again(run):
    assert run_dir.history(run, 100) == []
    for step in (2, 4, 6):
        records.append(run / run_dir.RECORDS, {"step": step, "loss": [1.0]})
    assert [record["step"] for record in run_dir.history(run, 4)] == [2, 4]
    assert [json.loads(line)["step"] for line in (run / run_dir.RECORDS).read_text().splitlines()] == [2, 4]


def test_only_a_finished_run_has_a_summary(run):
    assert run_dir.summary(run) is None
    assert run_dir.summary(run / "nowhere") is None
    run_dir.write_json(run / run_dir.SUMMARY, {"steps": 5})
    assert run_dir.summary(run) == {"steps": 5}


def test_what_json_cannot_hold_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        run_dir.write_json(tmp_path / "config.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_belongs_to_one_process_at_a_time_and_is_free_again_afterwards(tmp_path):
    folder = tmp_path / "run"
    with run_dir.owned(folder), pytest.raises(run_dir.Busy, match="another process is writing to"):
        run_dir.owned(folder).__enter__()
    with run_dir.owned(folder):
        assert folder.is_dir()
