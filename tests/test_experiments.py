"""Every experiment end to end in its --tiny form, as a user starts it; what stops it, and what does not."""

import importlib.util
import json
import random
import re
import runpy
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mlr_jax.cli import experiments

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 150
FLAGS = ["--tiny", "--steps", "120", "--chunk", "5", "--eval-every", "30", "--checkpoint-every", "10"]


def start(file, *flags, environment, **options):
    return subprocess.Popen(
        [sys.executable, str(file), *flags], env=environment, cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    )  # fmt: skip


def finish(process):
    """(exit code, standard error); nothing may go to standard output."""
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert out == ""
    return process.returncode, err


@pytest.fixture
def in_process(monkeypatch):
    """Runs an experiment file in this process, on its eight devices."""

    def run(name, *flags):
        file = str(experiments()[name])
        monkeypatch.setattr(sys, "argv", [file, *flags])
        return runpy.run_path(file, run_name="__main__")

    return run


@pytest.mark.parametrize("name", experiments())
def test_the_tiny_form_runs_and_resuming_it_is_nothing_to_do(name, tmp_path, in_process, capsys):
    folder = tmp_path / "run"
    in_process(name, "--tiny", "--out", str(folder))
    said = capsys.readouterr().err
    assert "Warning" not in said
    assert f"report: {folder / 'report.html'}" in said
    assert (folder / "report.html").stat().st_size > 1000
    before = (folder / "summary.json").read_bytes()
    in_process(name, "--tiny", "--out", str(folder), "--resume")
    assert "this run has finished already" in capsys.readouterr().err
    assert (folder / "summary.json").read_bytes() == before


@pytest.mark.parametrize("name", ["vision/digits_cnn", "vision/bccd_detection", "classical/svm", "graphs/karate"])
def test_a_script_runs_as_a_user_starts_it(name, tmp_path, clean_environment):
    folder = tmp_path / "run"
    code, said = finish(start(experiments()[name], "--tiny", "--out", str(folder), environment=clean_environment))
    assert code == 0, said
    assert "Warning" not in said
    assert f"report: {folder / 'report.html'}" in said


SHORT = ["--tiny", "--steps", "4", "--chunk", "2", "--eval-every", "4"]


def test_bfloat16_validation_patience_tensorboard_and_profile_go_together(tmp_path, in_process):
    folder = tmp_path / "run"
    in_process(
        "vision/digits_mlp", *SHORT, "--out", str(folder), "--precision", "bfloat16", "--validation", "0.2",
        "--patience", "100", "--tensorboard", "--profile",
    )  # fmt: skip
    summary = json.loads((folder / "summary.json").read_text())
    assert {"val_loss", "val_accuracy", "test_loss"} <= summary["metrics"].keys()
    assert list((folder / "best").iterdir())
    assert list((folder / "tensorboard").iterdir())
    assert list((folder / "profile").rglob("*.xplane.pb"))


@pytest.fixture(scope="module")
def on_one_device(tmp_path_factory):
    """The metrics of a short run on one device."""
    module = runpy.run_path(str(experiments()["vision/digits_mlp"]))
    flags = [*SHORT, "--out", str(tmp_path_factory.mktemp("one") / "run")]
    return module["main"](module["Config"], module["build"], module["TINY"], flags, "vision/digits_mlp.py")["metrics"]


@pytest.mark.parametrize("way", ["members", "data", "fsdp", "per-device", "pmap"])
def test_two_devices_give_the_numbers_of_one_in_every_way(way, tmp_path, in_process, on_one_device):
    folder = tmp_path / "run"
    in_process("vision/digits_mlp", *SHORT, "--out", str(folder), "--devices", "2", "--parallel", way)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["device"] == "cpu x 2"
    for name, entry in on_one_device.items():
        np.testing.assert_allclose(summary["metrics"][name]["members"], entry["members"], rtol=2e-4, err_msg=name)


def test_a_processor_can_be_split_into_devices(tmp_path, clean_environment):
    environment = {**clean_environment, "JAX_NUM_CPU_DEVICES": "2"}
    flags = [*SHORT, "--devices", "2", "--parallel", "fsdp", "--out", str(tmp_path / "run")]
    code, said = finish(start(experiments()["vision/digits_mlp"], *flags, environment=environment))
    assert code == 0, said
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["device"] == "cpu x 2"


@pytest.fixture(scope="module")
def killing():
    """`benchmarks/resume_after_kill.py` with a smaller run."""
    spec = importlib.util.spec_from_file_location("resume_after_kill", ROOT / "benchmarks" / "resume_after_kill.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.FLAGS = FLAGS
    return module


@pytest.fixture(scope="module")
def uninterrupted(killing, tmp_path_factory):
    """What a run that nobody interrupts ends in, and how long it takes."""
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    since = time.perf_counter()
    assert killing.run(folder).wait(TIMEOUT_S) == 0
    return killing.outcome(folder), time.perf_counter() - since


@pytest.mark.parametrize("index", [0, 1], ids=["at any moment", "while a checkpoint is being written"])
def test_a_run_that_is_killed_resumes_to_the_same_bits(killing, uninterrupted, tmp_path, index):
    expected, seconds = uninterrupted
    assert killing.trial(tmp_path / "run", index, 0.8 * seconds, random.Random(index)) == expected


def test_a_run_told_to_end_says_how_to_go_on_and_goes_on_to_the_same_bits(
    killing, uninterrupted, tmp_path, clean_environment
):
    folder = tmp_path / "run"
    process = start(
        experiments()["vision/digits_mlp"], *FLAGS, "--out", str(folder), environment=clean_environment
    )  # fmt: skip
    while not (folder / "checkpoints" / "20").is_dir():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    code, said = finish(process)
    assert code == 143
    [(step, command)] = re.findall(r"^SIGTERM: saved at step (\d+); go on with: (.*)$", said, re.MULTILINE)
    assert "Traceback" not in said
    assert 20 <= int(step) < 120
    python, file, *flags = shlex.split(command)
    assert Path(ROOT, python) == Path(sys.executable)
    code, said = finish(start(ROOT / file, *flags, environment=clean_environment))
    assert code == 0, said
    assert f"resuming from step {step} of 120" in said
    assert killing.outcome(folder) == uninterrupted[0]


def test_a_vmapped_scanned_program_never_stops(clean_environment):
    process = start(ROOT / "benchmarks" / "stress.py", "--runs", "60", environment=clean_environment)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, err
    assert "60 runs of 8 seeds, none stopped" in out
