"""What every experiment that trains an agent shares: its flags, episodes to judge it by, its pictures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from mlr_jax.core.types import Hypers, Learner, Resident, State
from mlr_jax.experiment.run import Experiment
from mlr_jax.experiment.settings import Settings
from mlr_jax.report.records import Record, series
from mlr_jax.rl.environment import Environment, make, with_env_params
from mlr_jax.rl.play import Policy, play_one

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILM_STEPS = 500
"""The longest part of an episode that is shown."""


@dataclass(frozen=True)
class AgentSettings(Settings):
    """Flags of an agent; a step of it is a rollout and the updates that follow."""

    environment: str = "CartPole-v1"
    """The name of an environment of gymnax."""
    episodes: int = 64
    """Whole episodes for each evaluation."""
    env_params: tuple[str, ...] = ()
    """Parameters of the environment that are hyper-parameters: with `length`, `--sweep env_length=0.5,1` varies it."""
    eval_every: int = 1000
    """Steps of the agent between evaluations (rounded up to whole chunks)."""


def environment_of(config: AgentSettings) -> Environment:
    """The environment. Raises ValueError, naming the flag, for an unknown one and for evaluations of no episode."""
    if config.episodes < 1:
        raise ValueError(f"--episodes: got {config.episodes}, must be at least 1")
    try:
        return make(config.environment)
    except ValueError as error:
        raise ValueError(f"--{error}") from error


def agent_experiment(
    config: AgentSettings,
    world: Environment,
    learner: Learner,
    hypers: Hypers,
    policy: Policy,
    *,
    steps_at_once: int,
    goal: float | None = None,
) -> Experiment:
    """An experiment that trains an agent; `steps_at_once` are the environment steps in one step of it.

    Every evaluation plays the same `config.episodes` episodes, by their keys. Pictures: learning curves with the
    `goal`, and an episode of the first member as `policy` plays it.
    """
    keys = jax.random.split(jax.random.fold_in(jax.random.key(config.seed), 1), config.episodes)

    def episodes() -> Iterator[jax.Array]:
        yield keys

    return Experiment(
        learner=config.spread(learner),
        source=Resident(None),
        hypers=with_env_params(hypers, world, config.env_params),
        evaluations={"test": episodes},
        items_per_step=steps_at_once,
        unit="environment steps",
        figures=lambda state: film(world, policy, state),
        curves=lambda history, members: learning_curves(history, members, steps_at_once, goal),
    )


def learning_curves(
    history: Sequence[Record], members: Sequence[Mapping[str, Any]], steps_at_once: int, goal: float | None
) -> Mapping[str, "Figure"]:
    """Returns of evaluation over environment steps: mean and interquartile mean over seeds."""
    from mlr_jax.report.returns import return_curves

    steps, returns = series(history, "test_return")
    return {"returns": return_curves(np.asarray(steps) * steps_at_once, returns, members, goal)}


def film(world: Environment, policy: Policy, state: State) -> Mapping[str, "Figure"]:
    """An episode of the first member, where there is a way to draw what is seen."""
    from mlr_jax.report.worlds import drawing_of, filmstrip

    draw = drawing_of(world.name, world.observation_shape)
    if draw is None:
        return {}
    first = jax.tree.map(lambda leaf: leaf[0], state)
    episode = jax.jit(lambda state, key: play_one(world, policy, state, key, FILM_STEPS))(first, jax.random.key(0))
    length = int(np.sum(episode.alive))
    return {"episode": filmstrip(np.asarray(episode.observation)[:length], draw)}
