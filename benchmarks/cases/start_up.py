"""From nothing: what importing costs, and the time to the first step with and without compiled programs on disk.

Each call starts a process of its own. The number is its exit code, or the step that it got to.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.case import Asked, Case, Make, Work, temporary_folder

ROOT = Path(__file__).resolve().parent.parent.parent
FIRST_STEP = "experiments/vision/digits_mlp.py"


def package(asked: Asked) -> Case:
    """The package and JAX, beside JAX alone."""
    return _importing(asked, "import mlr_jax, jax", "import jax")


def training(asked: Asked) -> Case:
    """What training a network takes of the package, beside what it takes of Flax and Optax."""
    modules = "mlr_jax.core.scan, mlr_jax.core.optimizers, mlr_jax.nn.mlp, mlr_jax.supervised.classification"
    return _importing(asked, f"import {modules}", "import flax.linen, optax")


def first_step(asked: Asked) -> Case:
    """The digits MLP as a script, until its first step is on record: nothing compiled before, and all of it."""
    full = temporary_folder()
    return Case({"ours, cold": _started(temporary_folder), "ours, warm": _started(lambda: full)}, {}, 1, "starts")


CASES: dict[str, Make] = {"import": package, "import_training": training, "first_step": first_step}


def _importing(asked: Asked, ours: str, other: str) -> Case:
    peers = {other: _python(other)} if asked.peers else {}
    if asked.beside("torch"):
        peers["import torch"] = _python("import torch")
    return Case({"ours": _python(ours)}, peers, 1, "starts")


def _environment(**more: str) -> dict[str, str]:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **more}


def _python(code: str) -> Work:
    def call() -> float:
        command = [sys.executable, "-c", code]
        return float(subprocess.run(command, env=_environment(), check=True, capture_output=True).returncode)

    return Work(call)


def _started(cache: Callable[[], Path]) -> Work:
    """Returns the step on record."""

    def call() -> float:
        folder = temporary_folder() / "run"
        command = [sys.executable, str(ROOT / FIRST_STEP), "--chunk", "1", "--out", str(folder)]
        environment = _environment(JAX_COMPILATION_CACHE_DIR=str(cache()))
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            while not (found := _first_record(folder / "records.jsonl")):
                if process.poll() is not None:
                    raise RuntimeError(f"{FIRST_STEP} ended before its first step")
                time.sleep(0.005)
            process.kill()
        return float(found["step"])

    return Work(call)


def _first_record(file: Path) -> dict[str, Any]:
    """Empty while no line has been written to its end."""
    *ended, _ = file.read_text().split("\n") if file.exists() else [""]
    return json.loads(ended[0]) if ended else {}
