"""Agents that learn from what they have just played, for the laws."""

from typing import Any

import jax
from learner_case import Case

from mlr_jax.rl import a2c, ppo, reinforce
from mlr_jax.rl.environment import make, with_env_params
from mlr_jax.rl.networks import Perceptron, actor_critic
from mlr_jax.rl.probe_environments import chain, observation_decides


def small() -> Perceptron:
    return Perceptron((8,))


CHAIN, AIM, POLE = chain(4, 5), observation_decides(continuous=True), make("CartPole-v1", max_steps_in_episode=9)
SIZES: dict[str, Any] = {"num_envs": 2, "num_steps": 4}
LEARN: dict[str, Any] = {"epochs": 2, "minibatches": 2}
NORMALISED: dict[str, Any] = {"normalise_observations": True, "normalise_rewards": True}
AGENT: dict[str, Any] = {
    "batch": lambda step: None,
    "rows": jax.random.split(jax.random.key(5), 8),
    "resident": True,
    "padded": False,
    "tolerance": 1e-3,
}
PPO: dict[str, Any] = {**AGENT, "hypers": ppo.Hypers(3e-3), "other_hypers": ppo.Hypers(1e-3, 0.9, 0.8, 0.1)}
POLES = {
    "hypers": with_env_params(ppo.Hypers(), POLE, ["length", "max_steps_in_episode"]),
    "other_hypers": with_env_params(ppo.Hypers(), make("CartPole-v1", length=2.0, max_steps_in_episode=6),
                                    ["length", "max_steps_in_episode"]),
}  # fmt: skip

CASES: dict[str, Case] = {
    "reinforce": Case(
        lambda wrap: reinforce.reinforce(CHAIN, actor_critic(CHAIN, small), **SIZES),
        **AGENT, hypers=reinforce.Hypers(), other_hypers=reinforce.Hypers(1e-2, 0.9),
    ),
    "a2c": Case(
        lambda wrap: a2c.a2c(CHAIN, actor_critic(CHAIN, small), **SIZES),
        **AGENT, hypers=a2c.Hypers(), other_hypers=a2c.Hypers(1e-2, 0.9),
    ),
    "ppo": Case(lambda wrap: ppo.ppo(POLE, actor_critic(POLE, small), **SIZES, **LEARN), **{**PPO, **POLES}),
    "ppo continuous": Case(lambda wrap: ppo.ppo(AIM, actor_critic(AIM, small), **SIZES, **LEARN, **NORMALISED), **PPO),
    "ppo recurrent": Case(
        lambda wrap: ppo.ppo(CHAIN, actor_critic(CHAIN, small, memory_width=4), **SIZES, **LEARN), **PPO
    ),
}  # fmt: skip
