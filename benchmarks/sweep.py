"""A sweep of 8 seeds x 8 learning rates of the digits MLP as one program, beside the same 64 runs one after another.

    python benchmarks/sweep.py
    JAX_NUM_CPU_DEVICES=2 python benchmarks/sweep.py    # the members spread over two halves of the processor

Three ways of the same code: the sweep; solo runs whose program is compiled once and called again; solo runs through
`fit`, each compiling for itself (from the persistent cache), as 64 starts of a script would at best. Printed are
member steps a second, compiling left out of the first two and counted in the third, and what new rates compile.
"""

import math
import runpy
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.hypers import members
from mlr_jax.core.parallel import device_mesh
from mlr_jax.core.scan import repeat
from mlr_jax.core.sweep import MEMBER_AXIS, sweep
from mlr_jax.experiment.main import use_compilation_cache
from mlr_jax.train.loop import fit

EXPERIMENT = Path(__file__).resolve().parent.parent / "experiments" / "vision" / "digits_mlp.py"
STEPS, CHUNK, SEEDS, REPEATS = 200, 100, 8, 5
RATES = tuple(np.geomspace(1e-4, 1e-1, 8).tolist())


def main() -> None:
    """Measure and print."""
    use_compilation_cache()
    digits_mlp = runpy.run_path(str(EXPERIMENT))
    experiment = digits_mlp["build"](digits_mlp["Config"](steps=STEPS))
    keys = jax.vmap(jax.random.key)(jnp.arange(SEEDS))
    member_keys, hypers, rows = members(keys, experiment.hypers, {"learning_rate": RATES})
    together = sweep(experiment.learner)
    if jax.device_count() > 1:
        together = sweep(experiment.learner, "devices", device_mesh(jax.device_count(), MEMBER_AXIS))
    init = jax.jit(together.init)
    run = repeat(together, CHUNK)
    data = experiment.source.batch
    steps = STEPS * len(rows)

    def sweep_once() -> None:
        state = init(member_keys, hypers)
        for _ in range(STEPS // CHUNK):
            state, _ = run(state, data)
        jax.block_until_ready(state)

    solo_init, solo_run = jax.jit(experiment.learner.init), repeat(experiment.learner, CHUNK)
    solo_members = [(member_keys[i], jax.tree.map(lambda leaf, i=i: leaf[i], hypers)) for i in range(len(rows))]

    def one_after_another() -> None:
        for key, hyper in solo_members:
            state = solo_init(key, hyper)
            for _ in range(STEPS // CHUNK):
                state, _ = solo_run(state, data)
            jax.block_until_ready(state)

    def one_fit_after_another() -> None:
        for key, hyper in solo_members:
            fit(experiment.learner, solo_init(key, hyper), experiment.source, num_steps=STEPS, chunk=CHUNK)

    swept, solo = alternate(sweep_once, one_after_another)
    fits = seconds(one_fit_after_another)
    device = f"{jax.devices()[0].platform} x {jax.device_count()}"
    print(f"{len(rows)} members x {STEPS} steps on {device}, medians of {REPEATS} alternating repeats")
    for name, value in (("one program", swept), ("one after another", solo), ("one fit after another", fits)):
        print(f"{name:22} {value:8.3f} s {steps / value:10,.0f} member steps/s {value / swept:6.2f} x the sweep's time")
    other = hypers._replace(learning_rate=hypers.learning_rate * math.pi)
    before = programs(init, run)
    jax.block_until_ready(run(init(member_keys, other), data))
    print(f"programs of the sweep (init, step): {before}; after another set of rates: {programs(init, run)}")


def programs(*functions: Any) -> list[int]:
    """How many programs each jitted function has compiled."""
    return [function._cache_size() for function in functions]


def seconds(function) -> float:
    """Wall time of one call."""
    since = time.perf_counter()
    function()
    return time.perf_counter() - since


def alternate(first, second) -> tuple[float, float]:
    """Medians of both, called in turn, after one call each that is not counted."""
    first(), second()
    times = [(seconds(first), seconds(second)) for _ in range(REPEATS)]
    first_s, second_s = np.median(times, axis=0).tolist()
    return first_s, second_s


if __name__ == "__main__":
    main()
