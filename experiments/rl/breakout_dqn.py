"""DQN plays Breakout of MinAtar: four seeds, ten million steps each.

    python experiments/rl/breakout_dqn.py
    python experiments/rl/breakout_dqn.py --environment Asterix-MinAtar

A 10x10 picture in which the paddle, the ball, its trail and the bricks are channels of their own; a brick earns 1, and
a new wall comes when the last is broken. Double and dueling DQN with returns over three steps, judged greedily on 64
episodes (cut off after 1,000 steps by gymnax). The goal: a mean return of at least 28.
"""

from dataclasses import dataclass

import jax.numpy as jnp

from mlr_jax.core.schedules import warmup_cosine
from mlr_jax.experiment.agent import AgentSettings, agent_experiment, environment_of
from mlr_jax.experiment.main import main
from mlr_jax.experiment.run import Experiment
from mlr_jax.rl.dqn import Hypers, dqn, policy
from mlr_jax.rl.environment import number_of_actions
from mlr_jax.rl.networks import SmallCNN
from mlr_jax.rl.q_network import QNetwork


@dataclass(frozen=True)
class Config(AgentSettings):
    """MinAtar by DQN."""

    environment: str = "Breakout-MinAtar"
    steps: int = 624_000
    """Steps of the agent: 16 of the environment and an update each."""
    seeds: int = 4
    chunk: int = 500
    eval_every: int = 26_000
    checkpoint_every: int = 52_000
    channels: int = 16
    """Of the convolution."""
    hidden: int = 128
    """Width of the dense layer."""
    num_envs: int = 16
    """Environments side by side."""
    batch_size: int = 128
    """Transitions in an update."""
    capacity: int = 96_000
    """Transitions in the memory."""
    warmup: int = 16_000
    """Transitions of random actions before the first step."""
    target_every: int = 250
    """Steps of the agent between copies to the target network."""
    learning_rate: float = 3e-4
    """The learning rate at first; it falls to 0 along half a cosine."""
    clip_norm: float = 10.0
    """The greatest norm of a gradient."""
    exploration_steps: float = 1_000_000.0
    """Environment steps over which the chance of a random action falls from 1 to its end."""
    exploration_end: float = 0.01
    """The chance of a random action from then on."""
    prioritised: bool = False
    """Draw surprising transitions more often."""
    n_step: int = 3
    """Steps whose rewards are counted before the network is asked."""


TINY = {
    "steps": 4, "seeds": 2, "chunk": 2, "eval_every": 4, "episodes": 2, "channels": 2, "hidden": 8, "num_envs": 2,
    "batch_size": 4, "capacity": 40, "warmup": 20, "exploration_steps": 100.0,
}  # fmt: skip


def build(config: Config) -> Experiment:
    """The experiment."""
    world = environment_of(config)
    if len(world.observation_shape) != 3:
        raise ValueError(f"--environment: got {config.environment!r}, needed is one that is seen as a grid [H, W, C]")
    torso = SmallCNN(config.channels, config.hidden)
    model = QNetwork(torso, number_of_actions(world, "dqn"), dueling=True)
    learner = dqn(
        world, model, num_envs=config.num_envs, batch_size=config.batch_size, capacity=config.capacity,
        warmup=config.warmup, target_every=config.target_every, double=True, prioritised=config.prioritised,
        n_step=config.n_step, store_as=jnp.uint8, schedule=warmup_cosine(config.steps),
    )  # fmt: skip
    hypers = Hypers(
        config.learning_rate,
        exploration_steps=config.exploration_steps,
        exploration_end=config.exploration_end,
        clip_norm=config.clip_norm,
    )
    goals = {"Breakout-MinAtar": 28.0, "Asterix-MinAtar": 15.0, "SpaceInvaders-MinAtar": 131.0, "Freeway-MinAtar": 58.0}
    goal = goals.get(config.environment)
    return agent_experiment(config, world, learner, hypers, policy(model), steps_at_once=config.num_envs, goal=goal)


if __name__ == "__main__":
    main(Config, build, TINY)
