"""Transitions for agents that learn from a memory: N environments, stepped side by side."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.core.types import Key
from mlr_jax.rl.environment import Environment


class Worlds(NamedTuple):
    """N environments in the midst of their episodes: states, what is seen in them [N, ...], what was earned so far in
    the episode [N], and in the last one that ended [N]."""

    env_state: Any
    observation: jax.Array
    earned: jax.Array
    last_return: jax.Array


class Transition(NamedTuple):
    """One step: s, a, r, s', whether nothing follows s' (terminated), and whether the episode ended there at all.

    `next_observation` is what was seen at its end, not the first sight of the next episode.
    """

    observation: jax.Array
    action: jax.Array
    reward: jax.Array
    terminated: jax.Array
    ended: jax.Array
    next_observation: jax.Array


def begin(environment: Environment, params: Any, key: Key, num_envs: int) -> Worlds:
    """Environments with these parameters at the beginning of an episode."""
    keys = jax.random.split(key, num_envs)
    observation, env_state = jax.vmap(environment.reset, (0, None))(keys, params)
    return Worlds(env_state, observation, jnp.zeros(num_envs), jnp.zeros(num_envs))


def collect(
    environment: Environment,
    params: Any,
    worlds: Worlds,
    key: Key,
    *,
    act: Callable[[jax.Array, Key], jax.Array],
    length: int,
    as_played: Callable[[jax.Array], jax.Array] = lambda action: action,
) -> tuple[Worlds, Transition]:
    """`length` steps of every environment: leaves [length, N, ...].

    act:       observations [N, ...], key -> actions [N, ...]
    as_played: an action, as it is to be remembered -> as the environment takes it
    """
    num_envs = worlds.earned.shape[0]

    def step(worlds: Worlds, time: jax.Array) -> tuple[Worlds, Transition]:
        act_key, step_key = jax.random.split(jax.random.fold_in(key, time))
        action = act(worlds.observation, act_key)
        observation, env_state, reward, terminated, truncated, info = jax.vmap(environment.step, (0, 0, 0, None))(
            jax.random.split(step_key, num_envs), worlds.env_state, jax.vmap(as_played)(action), params
        )
        reward = reward.astype(jnp.float32)
        terminated, ended = (flag.astype(jnp.float32) for flag in (terminated, terminated | truncated))
        earned = worlds.earned + reward
        after = Worlds(
            env_state,
            observation.astype(worlds.observation.dtype),
            earned * (1.0 - ended),
            jnp.where(ended > 0, earned, worlds.last_return),
        )
        next_observation = info["final_observation"].astype(worlds.observation.dtype)
        return after, Transition(worlds.observation, action, reward, terminated, ended, next_observation)

    return lax.scan(step, worlds, jnp.arange(length))


def flatten(transitions: Transition) -> Transition:
    """[T, N, ...] -> [T N, ...] in the order of time: the successor of row i is row i + N."""
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), transitions)


def blank(worlds: Worlds, action: jax.Array, store_as: Any = None) -> Transition:
    """The shapes and dtypes of one transition in a memory, observations as `store_as` where it is given."""
    observation = jnp.zeros(worlds.observation.shape[1:], store_as or worlds.observation.dtype)
    zero = jnp.float32(0.0)
    return Transition(observation, action, zero, zero, zero, observation)


def check_memory(at_once: int, window: int, capacity: int, warmup: int) -> None:
    """Raises ValueError unless additions of `at_once` transitions fit the memory and the first ones fill a window."""
    if capacity % at_once:
        raise ValueError(f"capacity: got {capacity}, must be a multiple of the {at_once} transitions of a rollout")
    if warmup % at_once or not window <= warmup <= capacity:
        raise ValueError(
            f"warmup: got {warmup}, must be a multiple of the {at_once} transitions of a rollout, at least {window} "
            f"and at most the capacity of {capacity}"
        )
