"""A walk over ice, solved exactly and learned from experience: value and policy iteration, SARSA, Q-learning.

    python experiments/rl/frozenlake_tabular.py
    python experiments/rl/frozenlake_tabular.py --lake 8x8 --steps 2000000

FrozenLake: from S to G over ice on which a step goes astray two times in three; in H the walk ends. Its tables are
known, so the best values are computed, and what is learned from steps in gymnax's environment is measured against
them. Each method is one compiled program for all seeds.

Expected: with every seed Q-learning finds the best policy, worth 0.542 at S; SARSA and expected SARSA, which learn what
a policy that explores is worth, end at 0.53 +- 0.01. 105 s on 2 cores.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.sweep import sweep
from mlr_jax.core.types import Learner
from mlr_jax.experiment.stopwatch import Stopwatch
from mlr_jax.experiment.study import Findings, Picture, Study, StudySettings, Table, check_least, main
from mlr_jax.report.returns import return_curves
from mlr_jax.report.statistics import interval
from mlr_jax.report.worlds import policy_maps
from mlr_jax.rl import dynamic_programming as dp
from mlr_jax.rl import tabular
from mlr_jax.rl.environment import Environment, make
from mlr_jax.rl.mdp import LARGE_LAKE, MDP, SMALL_LAKE, frozen_lake

LAKES = {"4x4": SMALL_LAKE, "8x8": LARGE_LAKE}
ROLLOUT = 1000
"""Steps of the environment in a step of a learner."""


@dataclass(frozen=True)
class Config(StudySettings):
    """FrozenLake by tables."""

    seeds: int = 16
    lake: Literal["4x4", "8x8"] = "4x4"
    """Which lake."""
    steps: int = 500_000
    """Steps in the environment that each seed may take."""
    discount: float = 0.99
    """What a reward is worth a step later."""
    epsilon: float = 0.3
    """The chance of a random move while learning."""
    decay: float = 0.6
    """The rate of the n-th visit to a state and action is n ** -decay."""


TINY = {"seeds": 2, "steps": 4000}

METHODS: dict[str, Callable[..., Learner]] = {
    "Q-learning": tabular.q_learning,
    "SARSA": tabular.sarsa,
    "expected SARSA": tabular.expected_sarsa,
}


def build(config: Config) -> Study:
    """The study."""
    check_least(config, steps=ROLLOUT, discount=0.0, epsilon=0.0, decay=0.0)
    if not (config.discount < 1 and config.epsilon <= 1):
        raise ValueError(
            f"--discount, --epsilon: got {config.discount}, {config.epsilon}; below 1 and at most 1 needed"
        )
    members = [{"seed": config.seed + index} for index in range(config.seeds)]
    return Study(members, lambda watch: measure(config, watch))


def measure(config: Config, watch: Stopwatch) -> Findings:
    """Exact solutions, and what each method has learned."""
    lake, world = LAKES[config.lake], make("FrozenLake-misc", map_name=config.lake)
    mdp = frozen_lake(lake)
    best, explored = solve(config, mdp, watch)
    metrics, curves, maps, rows = {}, {}, {"best": best}, []
    for name, method in METHODS.items():
        tables, values = learn(config, method, world, mdp, watch, name=name)
        goal = best if method is tabular.q_learning else explored
        visited = np.asarray(tables.visits.sum(0) > 0)
        errors = jnp.max(jnp.abs(tables.values - goal.action_values[None]) * visited[None], axis=(1, 2))
        word = name.lower().replace("-", "_").replace(" ", "_")
        metrics[f"{word}_value"], metrics[f"{word}_error"] = np.asarray(values[-1]), np.asarray(errors)
        curves[name], maps[name] = values, dp.Solution(*_greedy(tables.values.mean(0)), best.iterations)
        rows.append((name, interval(values[-1]), float(best.values[mdp.start.argmax()]), interval(np.asarray(errors))))
    return Findings(
        metrics,
        [Table("The policy that was learned, and the values", COLUMNS, rows)],
        {
            "maps": Picture(
                draw_maps(maps, lake), "Values and best moves: computed, and learned (the mean over seeds)."
            ),
            "curves": Picture(
                draw_curves(config, curves, float(best.values[mdp.start.argmax()])),
                "What the greedy policy is worth at the start, exactly, while it is learned; dotted: the best policy.",
            ),
        },
    )


COLUMNS = ("method", "value of the learned policy at S", "of the best policy", "greatest error of a learned value")


def solve(config: Config, mdp: MDP, watch: Stopwatch) -> tuple[dp.Solution, dp.Solution]:
    """The best policy, and the best of those that move at random with probability epsilon; by both methods."""
    states = len(mdp.terminal)
    found = {}
    for name, learner in (
        ("value iteration", dp.value_iteration(states)),
        ("policy iteration", dp.policy_iteration(states)),
    ):
        program = jax.jit(
            lambda mdp, epsilon, learner=learner: dp.solve(learner, dp.Hypers(config.discount, epsilon), mdp)
        )
        best = watch.compiled(f"{name}, {states} states", program, mdp, jnp.float32(0.0))
        found[name] = best, program(mdp, jnp.float32(config.epsilon))
    return found["policy iteration"]


def learn(
    config: Config, method: Any, world: Environment, mdp: MDP, watch: Stopwatch, *, name: str
) -> tuple[Any, np.ndarray]:
    """Tables of all seeds after training, and [T, seeds] what the greedy policy was worth at the start meanwhile."""
    learner = sweep(method(world, len(mdp.terminal), rollout=ROLLOUT))

    def worth(values: jax.Array) -> jax.Array:
        return mdp.start @ dp.policy_values(mdp, dp.epsilon_greedy(values, 0.0), config.discount)

    @jax.jit
    def program(keys: jax.Array):
        hypers = tabular.Hypers(1.0, config.decay, config.discount, config.epsilon)
        hypers = jax.tree.map(lambda value: jnp.full(keys.shape, value), hypers)

        def step(state, _):
            state, _ = learner.step(state, None)
            return state, jax.vmap(worth)(state.values)

        return jax.lax.scan(step, learner.init(keys, hypers), None, length=config.steps // ROLLOUT)

    keys = jax.vmap(jax.random.key)(config.seed + jnp.arange(config.seeds))
    state, values = watch.compiled(f"{name}, {config.seeds} seeds of {config.steps} steps", program, keys, repeats=1)
    return state, np.asarray(values)


def _greedy(action_values: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    return action_values.max(-1), action_values, action_values.argmax(-1)


def draw_maps(solutions: dict[str, dp.Solution], lake: tuple[str, ...]):
    """A map for each solution."""
    tiles = np.array([list(row) for row in lake])
    panels = {
        name: (np.asarray(found.values).reshape(tiles.shape), np.asarray(found.actions).reshape(tiles.shape))
        for name, found in solutions.items()
    }
    return policy_maps(panels, tiles)


def draw_curves(config: Config, curves: dict[str, np.ndarray], goal: float):
    """A colour for each method."""
    shown = np.unique(np.linspace(0, len(next(iter(curves.values()))) - 1, 60).round().astype(int))
    members = [{"seed": seed, "method": name} for name in curves for seed in range(config.seeds)]
    values = np.concatenate([rows[shown] for rows in curves.values()], axis=1)
    return return_curves((shown + 1) * ROLLOUT, values, members, goal, label="Value of the greedy policy at S")


if __name__ == "__main__":
    main(Config, build, TINY)
