"""Strict numerics on eight virtual devices, with a compilation cache that outlives the run."""

import itertools
import os
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".cache" / "xla"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Most of the suite's time is compiling: unoptimised programs by XLA's older code generator take half as long in all.
FLAGS = ["--xla_backend_optimization_level=0"]
if metadata.version("jaxlib").startswith("0.10."):  # XLA ends the process at a flag that it does not know
    FLAGS += ["--xla_cpu_use_fusion_emitters=false", "--xla_llvm_disable_expensive_passes=true"]
os.environ.setdefault("XLA_FLAGS", " ".join(FLAGS))

import jax  # noqa: E402 (the cache is chosen first)
import pytest  # noqa: E402

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")


MOST_MAPPINGS = 10_000
"""Linux stops a process at 65,530 memory mappings, and XLA:CPU takes several for every compiled program."""

ended = itertools.count(1)


def pytest_runtest_teardown():
    """Forget compiled programs before there are too many."""
    mappings = Path("/proc/self/maps")
    if next(ended) % 20 == 0 and mappings.exists() and mappings.read_bytes().count(b"\n") > MOST_MAPPINGS:
        jax.clear_caches()


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def clean_environment() -> dict[str, str]:
    """The environment of a user's process: one CPU device, the package importable, the tests' compilation cache."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
