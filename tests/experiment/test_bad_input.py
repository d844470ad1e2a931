"""What cannot be run is refused in one line that says what came and what is allowed, before anything is written."""

import re
import runpy

import numpy as np
import pytest
import toy_experiment

from mlr_jax.experiment.main import main

FINISHED = {"steps": 2}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty current folder, and beside it what a user may point at by mistake."""
    beside = tmp_path / "beside"
    (beside / "foreign").mkdir(parents=True)
    (beside / "foreign" / "thesis.txt").write_text("years of work")
    (beside / "file").write_text("")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return beside


@pytest.fixture
def refuse(tmp_path, capsys):
    """Runs an experiment with bad arguments and returns the one line that it says."""

    def call(*arguments, config=toy_experiment.Config, build=toy_experiment.build, name="toy", tiny=FINISHED):
        before = snapshot(tmp_path)
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main(config, build, tiny, list(arguments), file=str(tmp_path / "toys" / f"{name}.py"))
        said = capsys.readouterr()
        assert caught.value.code == 2
        assert said.out == ""
        assert re.fullmatch(r"error: [^\n]+\n", said.err), said.err
        assert "Traceback" not in said.err
        assert snapshot(tmp_path) == before
        return said.err.removeprefix("error: ").strip()

    return call


def snapshot(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--step 3", ["--step", "--steps"]),
        ("--wombat", ["--wombat"]),
        ("stray", ["stray"]),
        ("--steps", ["--steps", "Missing value"]),
        ("--steps many", ["--steps", "'many'"]),
        ("--steps 1.5", ["--steps", "'1.5'"]),
        ("--steps -3", ["--steps: got -3, must be at least 1"]),
        ("--seeds 0", ["--seeds: got 0, must be at least 1"]),
        ("--seed -1", ["--seed: got -1, must be at least 0"]),
        ("--seed 3000000000", ["--seed: got 3000000000, must be at most 2147483646"]),
        ("--rate fast", ["--rate", "'fast'"]),
        ("--rate nan", ["--rate: got nan, must be at least 0"]),
        ("--precision float16", ["--precision", "'float16'", "'float32', 'bfloat16'"]),
        ("--parallel rows", ["--parallel", "'rows'", "'members', 'data', 'fsdp', 'per-device', 'pmap'"]),
        ("--layout heap", ["--layout", "'heap'", "'vmap', 'map'"]),
        ("--sweep momentum=1,2", ["--sweep: got field 'momentum', allowed are rate"]),
        ("--sweep rate=", ["--sweep: got 'rate=' without values, at least one is needed"]),
        ("--sweep rate=1:2", ["--sweep: got 'rate=1:2', a range is FIELD=lo:hi:log:n"]),
        ("--sweep rate=1,x", ["--sweep: got 'rate=1,x', 'x' is not a finite number"]),
        ("--sweep rate=1,inf", ["--sweep: got 'rate=1,inf', 'inf' is not a finite number"]),
        ("--sweep rate=1 --sweep rate=2", ["--sweep: got field 'rate' twice, allowed is once"]),
        ("--resume", ["--resume: got no --out"]),
        ("--devices 0", ["--devices: got 0, must be at least 1"]),
        ("--devices 64", ["--devices: got 64, allowed are 1 to 8"]),
        ("--devices 2 --seeds 3", ["--devices: got 2, must divide the 3 members of the sweep"]),
        ("--devices 4 --seeds 2 --sweep rate=1,2,3", ["--devices: got 4, must divide the 6 members"]),
    ],
)
@pytest.mark.parametrize("columns", ["40", "200"])
def test_a_bad_flag_is_refused_on_a_terminal_of_any_width(refuse, monkeypatch, arguments, words, columns):
    monkeypatch.setenv("COLUMNS", columns)
    said = refuse("--out", "new", *arguments.split()) if arguments != "--resume" else refuse(arguments)
    for word in words:
        assert word in said


def run_once(place):
    main(
        toy_experiment.Config,
        toy_experiment.build,
        FINISHED,
        ["--tiny", "--out", str(place / "run")],
        str(place / "toy.py"),
    )


def test_a_folder_that_holds_something_else_is_refused(refuse, place):
    run_once(place)
    run = place / "run"
    assert refuse("--out", str(run), "--resume") == (
        f"--out: got {run}, which holds a run of beside/toy, not of toys/toy"
    )
    assert refuse("--out", str(place / "foreign")) == (
        f"--out: got {place / 'foreign'}, which holds files that are no run; allowed is a new or empty folder"
    )
    assert refuse("--out", str(place / "file")) == (
        f"--out: got {place / 'file'}, but {place / 'file'} is a file; a folder is needed"
    )


def test_a_finished_run_is_not_run_over_and_not_resumed_with_another_setting(tmp_path, refuse, place):
    (tmp_path / "toys").mkdir()
    run_once(tmp_path / "toys")
    run = tmp_path / "toys" / "run"
    assert (
        refuse("--tiny", "--out", str(run)) == f"--out: got {run}, which holds a run already; --resume goes on with it"
    )
    assert refuse("--tiny", "--out", str(run), "--resume", "--steps", "4") == (
        f"--steps: got 4, the run in {run} was started with 2; a run goes on with the settings that it began with"
    )


@pytest.fixture(scope="module")
def digits(request):
    """The experiment `vision/digits_mlp`."""
    module = runpy.run_path(str(request.config.rootpath / "experiments" / "vision" / "digits_mlp.py"))
    return {"config": module["Config"], "build": module["build"], "tiny": module["TINY"], "name": "digits_mlp"}


X = np.random.default_rng(0).random((40, 4, 4, 1)).astype(np.float32)
Y = np.arange(40) % 3
X_NAN = X.copy()
X_NAN[7, 0, 0, 0] = np.nan


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y_train": Y - 1}, ["y", "got -1 in row 0", r"must be in [0,"]),
        ({"y_train": Y + 0.5}, ["y_train", "must be integers", "got float64"]),
        ({"x_train": X_NAN}, ["x", "NaN or infinite, the first in row 7"]),
        ({"y_train": Y[:10]}, ["40", "10"]),
        ({"x_train": X[:, :, :, 0, None, None]}, ["x_train", "[40, 4, 4, 1, 1]"]),
        ({"x_test": X[:0], "y_test": Y[:0]}, ["at least one row", "0"]),
    ],
    ids=["label out of range", "label not an integer", "nan", "lengths differ", "no images", "empty"],
)
def test_unsound_data_is_refused_by_array_and_row(refuse, place, digits, changes, words):
    file = place / "data.npz"
    np.savez(file, **{"x_train": X, "y_train": Y, "x_test": X, "y_test": Y, **changes})
    said = refuse("--tiny", "--data", str(file), **digits)
    assert said.startswith("--data")
    assert str(file) in said
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--data digit", ["--data: ", "got 'digit'; did you mean digits?"]),
        ("--data wombat", ["--data: ", "must be digits, mnist5k, fashion_mnist, tfds:NAME", "got 'wombat'"]),
        ("--data nowhere/set.npz", ["--data: ", "no .npz file at nowhere/set.npz"]),
        ("--data nowhere/set", ["--data: ", "'nowhere/set'", "no file or folder is there"]),
        ("--data tfds:no_such_set", ["--data: ", "no TFDS set 'no_such_set'"]),
        ("--batch-size 1438", ["--batch-size: batch_size must be at most the number of rows, 1437, got 1438"]),
        ("--batch-size 0", ["--batch-size: batch_size must be at least 1, got 0"]),
        ("--validation 1.5", ["--validation: got 1.5, must be at least 0 and less than 1"]),
        ("--validation -0.5", ["--validation: got -0.5"]),
        ("--momentum 1", ["--momentum: got 1.0, must be at least 0 and less than 1"]),
        ("--batch-size 33 --devices 2 --parallel data", ["--batch-size: got 33, must be a multiple of the 2 devices"]),
    ],
)
def test_data_that_is_not_there_or_does_not_fit_is_refused(refuse, digits, arguments, words):
    said = refuse("--tiny", *arguments.split(), **digits)
    for word in words:
        assert word in said
