"""Agents that learn from a memory or a table, for the laws."""

from collections.abc import Callable
from typing import Any

import jax
from learner_case import Case, Wrap
from rl.aiming import AIMING

from mlr_jax.core.types import Learner
from mlr_jax.nn.mlp import MLP
from mlr_jax.rl import dynamic_programming as dp
from mlr_jax.rl import tabular
from mlr_jax.rl.dqn import Hypers as DqnHypers
from mlr_jax.rl.dqn import dqn
from mlr_jax.rl.mdp import random_mdp
from mlr_jax.rl.mdp_world import world_of
from mlr_jax.rl.q_network import QNetwork
from mlr_jax.rl.sac import Hypers as SacHypers
from mlr_jax.rl.sac import sac

MDP = random_mdp(jax.random.key(1), 5, 3)
WORLD = world_of(MDP, 6, one_hot=True)


def agent(learner: Learner) -> Callable[[Wrap], Learner]:
    """An agent, wrapped."""
    return lambda wrap: wrap(learner)


AGENT: dict[str, Any] = {
    "batch": lambda step: None,
    "rows": jax.random.split(jax.random.key(5), 8),
    "resident": True,
    "padded": False,
    "tolerance": 1e-4,
}
DQN: dict[str, Any] = {**AGENT, "hypers": DqnHypers(1e-2, exploration_steps=40.0), "other_hypers": DqnHypers(3e-3, 0.9)}
SAC: dict[str, Any] = {**AGENT, "hypers": SacHypers(), "other_hypers": SacHypers(3e-3, 0.5)}
SIZES: dict[str, Any] = {"num_envs": 2, "rollout": 2, "updates": 2, "batch_size": 8, "capacity": 40, "warmup": 20}
ALL: dict[str, Any] = {"target_every": 2, "double": True, "prioritised": True, "n_step": 3}
TABLE: dict[str, Any] = {**AGENT, "hypers": tabular.Hypers(), "other_hypers": tabular.Hypers(0.5, 0.0, epsilon=0.3)}
PLAN: dict[str, Any] = {
    "batch": lambda step: MDP,
    "resident": True,
    "padded": False,
    "hypers": dp.Hypers(0.9),
    "other_hypers": dp.Hypers(0.8, 0.2),
}

CASES: dict[str, Case] = {
    "value iteration": Case(lambda wrap: dp.value_iteration(5), **PLAN),
    "policy iteration": Case(lambda wrap: dp.policy_iteration(5), **PLAN),
    "sarsa": Case(agent(tabular.sarsa(world_of(MDP, 6), 5, rollout=4)), **TABLE),
    "q learning": Case(agent(tabular.q_learning(world_of(MDP, 6), 5, rollout=4)), **TABLE),
    "dqn": Case(agent(dqn(WORLD, QNetwork(MLP((8,), 8), 3), **SIZES, target_every=2)), **DQN),
    "dqn with all": Case(agent(dqn(WORLD, QNetwork(MLP((8,), 8), 3, dueling=True), **SIZES, **ALL)), **DQN),
    "sac": Case(
        agent(sac(AIMING, hidden=(8,), **SIZES)), **AGENT, hypers=SacHypers(), other_hypers=SacHypers(3e-3, 0.5)
    ),
}
