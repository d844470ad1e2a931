"""How much of the driver's time is spent inside compiled code.

    python benchmarks/driver.py

Trains the digits MLP (8 seeds) as the experiment does, with every hook that is on by default (progress bar, JSONL
records, evaluation, checkpoints, NaN guard, signals), for 5,000 steps. Two measures: the share of `fit`'s wall time
(compiling left out) between the call of a compiled chunk and its finished result; and, as a check on that clock, the
time of the bare compiled chunks without driver, taken in turn with it.
"""

import runpy
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

from mlr_jax.core.scan import repeat
from mlr_jax.experiment import run as experiment_run
from mlr_jax.experiment.main import say, use_compilation_cache

EXPERIMENT = Path(__file__).resolve().parent.parent / "experiments" / "vision" / "digits_mlp.py"
STEPS, REPEATS = 5000, 3


def main() -> None:
    """Measure and print."""
    use_compilation_cache()
    timings = []
    fit = experiment_run.fit

    def recording_fit(*arguments, **keywords):
        state, timing = fit(*arguments, **keywords)
        timings.append(timing)
        return state, timing

    experiment_run.fit = recording_fit
    bare = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            planned = planned_run(Path(folder) / "run")
            experiment_run.run(planned, say)
            bare.append(bare_seconds(planned))
    shares = [timing.compiled_s / (timing.total_s - timing.compile_s) for timing in timings]
    driven = [timing.total_s - timing.compile_s for timing in timings]
    print(f"{STEPS} steps of 8 seeds in chunks of {planned.settings.chunk}, {REPEATS} repeats")
    print(f"inside compiled chunks: {', '.join(f'{share:.1%}' for share in shares)} of the driver's time")
    ratio = np.median(bare) / np.median(driven)
    print(f"driver {np.median(driven):.3f} s, bare compiled chunks {np.median(bare):.3f} s: {ratio:.1%}")


def planned_run(directory: Path):
    """The experiment, planned with its defaults."""
    digits_mlp = runpy.run_path(str(EXPERIMENT))
    settings = digits_mlp["Config"](steps=STEPS, out=directory)
    return experiment_run.plan("vision/digits_mlp", "benchmark", settings, digits_mlp["build"])


def bare_seconds(planned) -> float:
    """The same chunks called one after another with nothing in between."""
    data, chunk = planned.experiment.source.batch, planned.settings.chunk
    state = jax.jit(planned.learner.init)(planned.keys, planned.hypers)
    program = repeat(planned.learner, chunk).lower(state, data).compile()
    since = time.perf_counter()
    for _ in range(STEPS // chunk):
        state, _ = jax.block_until_ready(program(state, data))
    return time.perf_counter() - since


if __name__ == "__main__":
    main()
