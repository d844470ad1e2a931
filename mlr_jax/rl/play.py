"""Playing with a trained agent: whole episodes for evaluation, one episode to look at."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.core.types import Key, Metrics, State
from mlr_jax.rl.environment import Environment, env_params_of


class Policy(NamedTuple):
    """How an agent plays.

    start: () -> memory at the beginning of an episode; None for an agent without one
    act:   agent's state, memory, observation, key -> action, memory; of one environment
    """

    start: Callable[[], Any]
    act: Callable[[State, Any, jax.Array, Key], tuple[jax.Array, Any]]


class Episode(NamedTuple):
    """What was seen, done and earned: leaves [T, ...]. `alive` is 1 up to the end of the episode, and 0 after it."""

    observation: jax.Array
    action: jax.Array
    reward: jax.Array
    alive: jax.Array


def play_episodes(environment: Environment, policy: Policy, state: State, keys: Key, limit: int = 100_000) -> Metrics:
    """One episode for each of the keys [B], side by side, until the last one has ended.

    The environment's parameters are those among `state.hypers`, where they are.

    Returns the sum of rewards and the number of steps of each, `return` and `length`, [B]. An episode that has no end
    is cut at `limit` steps. Raises ValueError for a limit below 1.
    """
    if limit < 1:
        raise ValueError(f"limit: got {limit}, an episode has at least 1 step")

    def going_on(carry) -> jax.Array:
        time, _, alive, _, _ = carry
        return jnp.any(alive > 0) & (time < limit)

    def step(carry):
        time, moments, alive, earned, length = carry
        moments, (_, _, reward, ended) = jax.vmap(lambda moment: _step(environment, policy, state, moment))(moments)
        return time + 1, moments, alive * (1.0 - ended), earned + alive * reward, length + alive

    params = _params(environment, state)
    moments = jax.vmap(lambda key: _first(environment, params, policy, key))(keys)
    ones = jnp.ones(keys.shape)
    _, _, _, earned, length = lax.while_loop(going_on, step, (0, moments, ones, 0.0 * ones, 0.0 * ones))
    return {"return": earned, "length": length}


def play_one(environment: Environment, policy: Policy, state: State, key: Key, steps: int) -> Episode:
    """The first `steps` steps of an episode."""

    def step(carry, _):
        moment, alive = carry
        moment, (observation, action, reward, ended) = _step(environment, policy, state, moment)
        return (moment, alive * (1.0 - ended)), Episode(observation, action, reward * alive, alive)

    first = _first(environment, _params(environment, state), policy, key)
    return lax.scan(step, (first, jnp.float32(1.0)), None, length=steps)[1]


class _Moment(NamedTuple):
    key: Key
    time: jax.Array
    env_state: Any
    observation: jax.Array
    memory: Any


def _params(environment: Environment, state: State) -> Any:
    return env_params_of(environment, getattr(state, "hypers", None))


def _first(environment: Environment, params: Any, policy: Policy, key: Key) -> _Moment:
    reset_key, key = jax.random.split(key)
    observation, env_state = environment.reset(reset_key, params)
    return _Moment(key, jnp.int32(0), env_state, observation, policy.start())


def _step(environment: Environment, policy: Policy, state: State, moment: _Moment):
    act_key, step_key = jax.random.split(jax.random.fold_in(moment.key, moment.time))
    action, memory = policy.act(state, moment.memory, moment.observation, act_key)
    observation, env_state, reward, terminated, truncated, _ = environment.step(
        step_key, moment.env_state, action, _params(environment, state)
    )
    after = _Moment(moment.key, moment.time + 1, env_state, observation.astype(moment.observation.dtype), memory)
    ended = (terminated | truncated).astype(jnp.float32)
    return after, (moment.observation, action, reward.astype(jnp.float32), ended)
