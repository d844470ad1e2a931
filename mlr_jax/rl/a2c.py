"""Advantage actor-critic, synchronous (Mnih et al., 2016): one step of gradient from each short rollout.

With V and pi of one network, returns G and advantages A = G - V (constants), the minimised loss is the mean of

    -A log pi(a | s)  +  value_weight (V - G)^2 / 2  -  entropy_weight H(pi(. | s))
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from mlr_jax.core.gradient import Optimizer
from mlr_jax.core.types import Key, Learner, Metrics
from mlr_jax.rl.environment import Environment
from mlr_jax.rl.on_policy import Experience, State, agent_of, experience, first_state, play, policy_of
from mlr_jax.rl.play import Policy
from mlr_jax.rl.rollout import check_counts


class Hypers(NamedTuple):
    """What a sweep can vary."""

    learning_rate: float = 7e-4
    discount: float = 0.99
    trace: float = 1.0
    """lambda of the generalised advantage; 1 takes the rewards up to the rollout's end and then the value."""
    entropy_weight: float = 0.01
    value_weight: float = 0.5
    clip_norm: float = 0.5


def a2c_loss(model: nn.Module, params: Any, batch: Experience, hypers: Hypers) -> tuple[jax.Array, Metrics]:
    """The loss of a rollout, leaves [T, N, ...], and what it is made of."""
    memory = jax.tree.map(lambda leaf: leaf[0], batch.memory)
    called: Any = model.apply(params, memory, batch.observation, batch.start)
    distribution, value, _ = called
    policy_loss = -jnp.mean(batch.advantage * distribution.log_prob(batch.action))
    value_loss = 0.5 * jnp.mean(jnp.square(value - batch.target))
    entropy = jnp.mean(distribution.entropy())
    loss = policy_loss + hypers.value_weight * value_loss - hypers.entropy_weight * entropy
    return loss, {"loss": loss, "policy_loss": policy_loss, "value_loss": value_loss, "entropy": entropy}


def a2c(
    environment: Environment,
    model: nn.Module | None = None,
    optimizer: Optimizer | None = None,
    *,
    num_envs: int = 16,
    num_steps: int = 5,
    normalise_observations: bool = False,
    normalise_rewards: bool = False,
    greedy: bool = True,
) -> Learner:
    """An agent whose step plays `num_steps` steps in each of `num_envs` environments and takes one step of gradient.

    The model, `evaluate` and the metrics are as those of `ppo`. Raises ValueError for a rollout of no step.
    """
    agent = agent_of(environment, model, optimizer, normalise_observations, normalise_rewards)
    check_counts(num_envs=num_envs, num_steps=num_steps)

    def init(key: Key, hypers: Hypers) -> State:
        return first_state(agent, num_envs, key, hypers)

    def step(state: State, batch: None = None) -> tuple[State, Metrics]:
        state, played = experience(agent, state, jax.random.fold_in(state.key, state.step), num_steps)
        loss_of = jax.grad(lambda params: a2c_loss(agent.model, params, played, state.hypers), has_aux=True)
        gradients, metrics = loss_of(state.params)
        updates, opt_state = agent.optimizer(state.hypers).update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics = {**metrics, "return": jnp.mean(state.actors.last_return)}
        return state._replace(step=state.step + 1, params=params, opt_state=opt_state), metrics

    def evaluate(state: State, keys: Key) -> Metrics:
        return play(agent, state, keys, greedy=greedy)

    return Learner(init, step, evaluate)


def policy(
    environment: Environment,
    model: nn.Module | None = None,
    *,
    normalise_observations: bool = False,
    greedy: bool = True,
) -> Policy:
    """How the agent plays."""
    return policy_of(agent_of(environment, model, None, normalise_observations, False), greedy=greedy)
