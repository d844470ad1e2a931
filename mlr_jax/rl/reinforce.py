"""REINFORCE (Williams, 1992): the likelihood of every action is raised by the return that followed it.

From N whole episodes, with G_t = r_t + gamma G_{t+1} up to the end of the episode, the minimised loss is the mean over
all their steps of

    -(G_t - b(s_t)) log pi(a_t | s_t)  -  entropy_weight H(pi(. | s_t))  +  value_weight (b(s_t) - G_t)^2 / 2

where the baseline b is the network's value if there is one (then the last term is there too), or else 0.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from mlr_jax.core.gradient import Optimizer
from mlr_jax.core.types import Key, Learner, Metrics
from mlr_jax.ops.masked import masked_mean
from mlr_jax.ops.returns import discounted_returns
from mlr_jax.rl.environment import Environment, env_params_of
from mlr_jax.rl.on_policy import State, agent_of, first_state, play, play_on, policy_of
from mlr_jax.rl.play import Policy
from mlr_jax.rl.rollout import Trajectory, begin


class Hypers(NamedTuple):
    """What a sweep can vary."""

    learning_rate: float = 3e-3
    discount: float = 0.99
    entropy_weight: float = 0.0
    value_weight: float = 0.5
    clip_norm: float = 10.0


def reinforce_loss(
    model: nn.Module, params: Any, played: Trajectory, hypers: Hypers, *, baseline: bool
) -> tuple[jax.Array, Metrics]:
    """The loss of episodes that begin together, leaves [T, N, ...]: of what follows their first end nothing counts."""
    is_real = real_steps(played.ended)
    discounts = hypers.discount * (1.0 - played.ended)
    nothing = jnp.zeros(played.reward.shape[1])
    returns = jax.vmap(discounted_returns, in_axes=(1, 1, 0), out_axes=1)(played.reward, discounts, nothing)
    memory = jax.tree.map(lambda leaf: leaf[0], played.memory)
    called: Any = model.apply(params, memory, played.observation, played.start)
    distribution, value, _ = called
    better = returns - jax.lax.stop_gradient(value) if baseline else returns
    mask = is_real.reshape(-1)
    policy_loss = -masked_mean((better * distribution.log_prob(played.action)).reshape(-1), mask)
    entropy = masked_mean(distribution.entropy().reshape(-1), mask)
    value_loss = 0.5 * masked_mean(jnp.square(value - returns).reshape(-1), mask)
    loss = policy_loss - hypers.entropy_weight * entropy + (hypers.value_weight * value_loss if baseline else 0.0)
    parts = {"loss": loss, "policy_loss": policy_loss, "entropy": entropy}
    return loss, {**parts, "value_loss": value_loss} if baseline else parts


def real_steps(ended: jax.Array) -> jax.Array:
    """1 for each step up to the first end of its environment, and 0 for what comes after: [T, N] -> [T, N]."""
    ends_before = jnp.cumsum(ended.astype(jnp.int32), axis=0) - ended.astype(jnp.int32)
    return (ends_before == 0).astype(jnp.float32)


def reinforce(
    environment: Environment,
    model: nn.Module | None = None,
    optimizer: Optimizer | None = None,
    *,
    num_envs: int = 16,
    num_steps: int = 500,
    baseline: bool = True,
    greedy: bool = True,
) -> Learner:
    """An agent whose step plays an episode from its beginning in each of `num_envs` environments, and learns from it.

    Episodes are cut off after `num_steps` steps, as if nothing followed. Model and `evaluate` are as those of `ppo`.
    Metrics: parts of the loss, and the mean return of these episodes. Raises ValueError for episodes of no step.
    """
    agent = agent_of(environment, model, optimizer)
    if num_steps < 1:
        raise ValueError(f"num_steps: got {num_steps}, an episode has at least 1 step")

    def init(key: Key, hypers: Hypers) -> State:
        return first_state(agent, num_envs, key, hypers)

    def step(state: State, batch: None = None) -> tuple[State, Metrics]:
        begin_key, play_key = jax.random.split(jax.random.fold_in(state.key, state.step))
        env_params, net = env_params_of(environment, state.hypers), agent.model
        actors = begin(environment, env_params, begin_key, num_envs, net.no_memory(num_envs))  # type: ignore[attr-defined]
        _, played = play_on(agent, state, actors, play_key, num_steps)
        loss_of = jax.grad(
            lambda params: reinforce_loss(net, params, played, state.hypers, baseline=baseline), has_aux=True
        )
        gradients, metrics = loss_of(state.params)
        updates, opt_state = agent.optimizer(state.hypers).update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics = {**metrics, "return": jnp.sum(played.reward * real_steps(played.ended)) / num_envs}
        return state._replace(step=state.step + 1, params=params, opt_state=opt_state), metrics

    def evaluate(state: State, keys: Key) -> Metrics:
        return play(agent, state, keys, greedy=greedy)

    return Learner(init, step, evaluate)


def policy(environment: Environment, model: nn.Module | None = None, *, greedy: bool = True) -> Policy:
    """How the agent plays."""
    return policy_of(agent_of(environment, model), greedy=greedy)
