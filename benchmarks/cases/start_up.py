"""From nothing: what importing costs, and the time to the first step with and without compiled programs on disk.

Each call starts a process of its own. The number is its exit code.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.case import Asked, Case, Make, Work

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
    """The digits MLP as a script to the end of its first step, its report included: cold and warm cache."""
    warm = tempfile.TemporaryDirectory()
    ours = {"ours, cold": _trained(None), "ours, warm": _trained(warm)}
    return Case(ours, {}, 1, "starts")


CASES: dict[str, Make] = {"import": package, "import_training": training, "first_step": first_step}


def _importing(asked: Asked, ours: str, other: str) -> Case:
    peers = {other: _python("-c", other)} if asked.peers else {}
    if asked.beside("torch"):
        peers["import torch"] = _python("-c", "import torch")
    return Case({"ours": _python("-c", ours)}, peers, 1, "starts")


def _python(*words: str, **environment: str) -> Work:
    command = [sys.executable, *words]
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]]), **environment}

    def call() -> float:
        return float(subprocess.run(command, env=settings, check=True, capture_output=True).returncode)

    return Work(call)


def _trained(cache: "tempfile.TemporaryDirectory[str] | None") -> Work:
    def call() -> float:
        with tempfile.TemporaryDirectory() as folder:
            where = cache.name if cache else str(Path(folder) / "cache")
            flags = ["--steps", "1", "--chunk", "1", "--seeds", "1", "--out", str(Path(folder) / "run")]
            return _python(str(ROOT / FIRST_STEP), *flags, JAX_COMPILATION_CACHE_DIR=where).call()

    return Work(call)
