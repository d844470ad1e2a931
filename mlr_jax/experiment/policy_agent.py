"""What the experiments with PPO share: its flags, and how they become an agent."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import flax.linen as nn

from mlr_jax.core.schedules import constant, linear_decay
from mlr_jax.experiment.agent import AgentSettings, agent_experiment, environment_of
from mlr_jax.experiment.run import Experiment
from mlr_jax.rl import ppo
from mlr_jax.rl.environment import Environment
from mlr_jax.rl.networks import Perceptron, SmallCNN, actor_critic
from mlr_jax.rl.optimizer import clipped_adam
from mlr_jax.rl.rollout import check_counts


@dataclass(frozen=True)
class PPOSettings(AgentSettings):
    """Flags of PPO; a step of it is a rollout in all environments and the epochs of updates that follow."""

    chunk: int = 61
    eval_every: int = 122
    checkpoint_every: int = 488
    num_envs: int = 4
    """Environments side by side."""
    num_steps: int = 128
    """Steps in each of them before the agent learns."""
    epochs: int = 4
    """How often it learns from each step."""
    minibatches: int = 4
    """Updates in an epoch."""
    learning_rate: float = 2.5e-4
    """The learning rate at first."""
    anneal: bool = True
    """Let the learning rate fall to 0 in a straight line."""
    discount: float = 0.99
    """What a reward is worth a step later."""
    trace: float = 0.95
    """lambda of the generalised advantage."""
    clip: float = 0.2
    """How far the ratio of probabilities may go from 1 before its gradient is cut off."""
    entropy_weight: float = 0.01
    """The bonus for entropy."""
    value_weight: float = 0.5
    """The weight of the critic's loss."""
    clip_norm: float = 0.5
    """The gradient's greatest norm."""
    network: Literal["perceptron", "cnn"] = "perceptron"
    """What sees the observation."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the perceptrons; the CNN's channels and the width of its dense layer."""
    activation: Literal["tanh", "relu"] = "tanh"
    """The perceptrons' activation."""
    memory_width: int = 0
    """How many numbers the agent remembers (a GRU); 0 for an agent without a memory."""
    normalise_observations: bool = False
    """Observations in standard deviations from their running mean."""
    normalise_rewards: bool = False
    """Rewards in standard deviations of the running discounted return."""
    greedy: bool = True
    """Evaluate by the likeliest actions, and not at random as in training."""


TINY = {
    "steps": 4, "seeds": 2, "chunk": 2, "eval_every": 2, "checkpoint_every": 4, "episodes": 2, "num_envs": 4,
    "num_steps": 8, "epochs": 2, "minibatches": 2, "hidden": (8, 8),
}  # fmt: skip
"""Defaults of the tiny form."""


def ppo_experiment(
    config: PPOSettings, goal: float | None = None, environment: Environment | None = None
) -> Experiment:
    """PPO in the environment that the flags name, or in another one that is given."""
    environment = environment_of(config) if environment is None else environment
    model = actor_critic(environment, _torso(config), config.memory_width)
    learned = {"normalise_observations": config.normalise_observations, "greedy": config.greedy}
    check_counts(epochs=config.epochs, minibatches=config.minibatches)
    schedule = linear_decay(config.steps * config.epochs * config.minibatches) if config.anneal else constant()
    learner = ppo.ppo(
        environment, model, clipped_adam(schedule), num_envs=config.num_envs, num_steps=config.num_steps,
        epochs=config.epochs, minibatches=config.minibatches, normalise_rewards=config.normalise_rewards, **learned,
    )  # fmt: skip
    hypers = ppo.Hypers(**{field: getattr(config, field) for field in ppo.Hypers._fields})
    policy = ppo.policy(environment, model, **learned)
    steps_at_once = config.num_envs * config.num_steps
    return agent_experiment(config, environment, learner, hypers, policy, steps_at_once=steps_at_once, goal=goal)


def _torso(config: PPOSettings) -> Callable[[], nn.Module]:
    if config.network == "perceptron":
        return partial(Perceptron, config.hidden, nn.tanh if config.activation == "tanh" else nn.relu)
    if len(config.hidden) != 2:
        raise ValueError(f"--hidden: got {config.hidden}, a CNN needs two: channels and the dense layer's width")
    return partial(SmallCNN, *config.hidden)
