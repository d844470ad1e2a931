"""PPO on CartPole beside purejaxrl and Stable-Baselines3, environments alone, and a large sweep as one program.

    python benchmarks/rl.py --purejaxrl FOLDER      # a checkout of it
    python benchmarks/rl.py environments
    python benchmarks/rl.py sweep

`agents`: environment steps a second of training with the same network and settings, 1 seed and 16 vmapped ones, each
a compiled run of 500,000 steps a seed; ours and purejaxrl's in turn, medians; evaluation and compiling are left out.
`environments`: steps of CartPole and Breakout alone, with random actions, 1, 256 and 4096 side by side.
`sweep`: 128 seeds x 4 learning rates, 500,000 steps each, as one program, and again with new rates.
"""

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import jax
import jax.numpy as jnp
from jax import lax

import mlr_jax  # noqa: F401 (chooses the thread pool before JAX starts)
from mlr_jax.core.hypers import members
from mlr_jax.core.scan import repeat
from mlr_jax.core.schedules import linear_decay
from mlr_jax.core.sweep import sweep
from mlr_jax.rl import ppo
from mlr_jax.rl.environment import make
from mlr_jax.rl.optimizer import clipped_adam

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.cases import rl_peers

UPDATES = 976
PARTS = ("agents", "environments", "sweep")


def learner_of(updates: int):
    """PPO with its defaults, its rate falling to 0."""
    return ppo.ppo(make("CartPole-v1"), optimizer=clipped_adam(linear_decay(updates * 16)))


def ours(seeds: int) -> Callable[[], float]:
    """A whole run, compiled: a call returns the last mean return."""
    solo = learner_of(UPDATES)
    learner = sweep(solo) if seeds > 1 else solo
    keys, hypers, _ = members(jax.random.split(jax.random.key(0), seeds), ppo.Hypers())
    if seeds == 1:
        keys, hypers = jax.tree.map(lambda leaf: leaf[0], (keys, hypers))
    init = jax.jit(learner.init)
    program = repeat(learner, UPDATES).lower(init(keys, hypers), None).compile()

    def run() -> float:
        _, metrics = jax.block_until_ready(program(init(keys, hypers), None))
        return float(jnp.mean(metrics["return"][-1]))

    return run


def timed(function: Callable[[], float]) -> tuple[float, float]:
    """Seconds and the result."""
    since = time.perf_counter()
    result = function()
    return time.perf_counter() - since, result


def agents(folder: Path | None, repeats: int) -> None:
    """Ours and the others', in turn."""
    rates: dict[str, float] = {}
    for seeds in (1, 16):
        runs = {"ours": ours(seeds)}
        if folder is not None:
            runs["purejaxrl"] = rl_peers.purejaxrl(folder, seeds, UPDATES)
        times: dict[str, list[float]] = {name: [] for name in runs}
        returns = {}
        for _ in range(repeats):
            for name, run in runs.items():
                spent, returns[name] = timed(run)
                times[name].append(spent)
        steps = seeds * UPDATES * rl_peers.STEPS_AT_ONCE
        rates = {name: steps / statistics.median(spent) for name, spent in times.items()}
        for name, rate in rates.items():
            print(f"PPO, {seeds:2} seeds, {name:10}{rate:12,.0f} steps/s, return {returns[name]:.0f}", flush=True)
        if "purejaxrl" in rates:
            print(f"    {rates['ours'] / rates['purejaxrl']:.2f} times purejaxrl's")
    if find_spec("stable_baselines3"):
        stable_baselines3 = rl_peers.stable_baselines3(seconds=10.0)
        print(f"Stable-Baselines3, seeds in turn  {stable_baselines3:12,.0f} steps/s")
        print(f"    ours with 16 seeds: {rates['ours'] / stable_baselines3:.1f} times as fast")
    else:
        print("stable_baselines3 is not installed: left out")


def environments(sizes: Sequence[int] = (1, 256, 4096), seconds: float = 1.0) -> None:
    """Environments alone."""
    for name in ("CartPole-v1", "Breakout-MinAtar"):
        environment = make(name)

        @partial(jax.jit, static_argnums=(1, 2))
        def run(key, num_envs, num_steps, environment=environment):
            keys = jax.random.split(key, num_envs)
            _, state = jax.vmap(environment.reset, (0, None))(keys, environment.params)

            def step(state, key):
                action_key, step_key = jax.random.split(key)
                actions = jax.random.randint(action_key, (num_envs,), 0, environment.num_actions)
                after = jax.vmap(environment.step, (0, 0, 0, None))(
                    jax.random.split(step_key, num_envs), state, actions, environment.params
                )
                return after.state, after.reward.sum()

            return lax.scan(step, state, jax.random.split(key, num_steps))[1].sum()

        for num_envs in sizes:
            num_steps = max(200, 200_000 // num_envs)
            run(jax.random.key(0), num_envs, num_steps).block_until_ready()
            since, calls = time.perf_counter(), 0
            while time.perf_counter() - since < seconds:
                run(jax.random.key(calls), num_envs, num_steps).block_until_ready()
                calls += 1
            rate = calls * num_envs * num_steps / (time.perf_counter() - since)
            print(f"{name:18}{num_envs:6} side by side{rate:14,.0f} steps/s", flush=True)


def large_sweep(seeds: int = 128, updates: int = UPDATES) -> None:
    """128 seeds x 4 rates as one program, twice."""
    learner = sweep(learner_of(updates))
    init = jax.jit(learner.init)
    program = None
    for rates in ([1e-4, 2.5e-4, 5e-4, 1e-3], [2e-4, 4e-4, 8e-4, 2e-3]):
        keys, hypers, _ = members(jax.random.split(jax.random.key(0), seeds), ppo.Hypers(), {"learning_rate": rates})
        state = init(keys, hypers)
        since = time.perf_counter()
        if program is None:
            program = repeat(learner, updates).lower(state, None).compile()
            print(f"compiling once: {time.perf_counter() - since:.1f} s")
        seconds, metrics = time.perf_counter(), jax.block_until_ready(program(state, None))[1]
        seconds = time.perf_counter() - seconds
        returns = metrics["return"][-1].reshape(len(rates), seeds).mean(axis=1)
        total = len(rates) * seeds * updates * rl_peers.STEPS_AT_ONCE
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"{len(rates) * seeds} members: {seconds:.0f} s, {total / seconds:,.0f} steps/s, at most {peak:.2f} GB")
        print("    " + ", ".join(f"rate {rate:g}: {value:.0f}" for rate, value in zip(rates, returns, strict=True)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", default=["agents", "environments"])
    parser.add_argument("--purejaxrl", type=Path, help="a checkout of purejaxrl, to be measured beside")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    for part in arguments.parts:
        if part not in PARTS:
            parser.error(f"part: got {part!r}, allowed are {', '.join(PARTS)}")
    if "agents" in arguments.parts:
        agents(arguments.purejaxrl, arguments.repeats)
    if "environments" in arguments.parts:
        environments()
    if "sweep" in arguments.parts:
        large_sweep()


if __name__ == "__main__":
    main()
