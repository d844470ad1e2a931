"""Trajectories: N environments stepped side by side by the policy that is learning, T steps in one scan."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.core.types import Key
from mlr_jax.rl.environment import Environment, EnvParams, EnvState, begin_anew_at_the_end

Memory = Any
"""What a recurrent policy carries from step to step, leaves [N, ...]; () where there is nothing to carry."""


class Actors(NamedTuple):
    """N environments in the midst of their episodes, leaves [N, ...]: all that going on from here needs.

    start:       whether the observation is the first of its episode
    earned:      the rewards of the episode so far
    last_return: the return of the last episode that ended here, 0 before there was one
    """

    env_state: EnvState
    observation: jax.Array
    start: jax.Array
    memory: Memory
    earned: jax.Array
    last_return: jax.Array


class Trajectory(NamedTuple):
    """T steps of N environments, leaves [T, N, ...].

    memory:            before the observation was seen
    reward:            r_t of the action
    terminated:        nothing of value follows
    ended:             the episode ended here, terminated or cut off
    final_observation: what the action led to, also where `observation` of the next step begins another episode
    noted:             whatever else the policy gave with the action
    """

    observation: jax.Array
    start: jax.Array
    memory: Memory
    action: jax.Array
    reward: jax.Array
    terminated: jax.Array
    ended: jax.Array
    final_observation: jax.Array
    noted: Any


Act = Callable[[Any, Memory, jax.Array, jax.Array], tuple[jax.Array, Memory, Any]]
"""chance, memory, observations [N, ...], starts [N] -> actions [N, ...], memory, and what is to be noted of them.

Chance is a key, or whatever numbers were drawn for this step."""


def check_counts(**counts: int) -> None:
    """Raises ValueError, naming it, for a count below 1."""
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name}: got {count}, must be at least 1")


def begin(environment: Environment, params: EnvParams, key: Key, num_envs: int, memory: Memory = ()) -> Actors:
    """Environments at the beginning of an episode. Raises ValueError for fewer than one."""
    check_counts(num_envs=num_envs)
    observation, env_state = jax.vmap(environment.reset, (0, None))(jax.random.split(key, num_envs), params)
    return Actors(env_state, observation, jnp.ones(num_envs, bool), memory, jnp.zeros(num_envs), jnp.zeros(num_envs))


def rollout(
    environment: Environment,
    params: EnvParams,
    act: Act,
    actors: Actors,
    key: Key,
    *,
    num_steps: int,
    as_played: Callable[[jax.Array], jax.Array] = lambda action: action,
    draw: Callable[[Key, int, int], Any] = lambda key, num_steps, num_envs: jax.random.split(key, num_steps),
) -> tuple[Actors, Trajectory]:
    """`num_steps` steps of every environment; the next call goes on where this one stopped.

    as_played: an action of the policy -> the action that the environment is given
    draw:      key, T, N -> the chance that `act` is given in each step, leaves [T, ...]; a key of each by default

    On a CPU a few random numbers cost as much as some thousand, so all that do not depend on what happens are drawn
    before the loop: keys, the noise of actions, and the beginnings of new episodes.
    """
    num_envs = actors.start.shape[0]
    act_key, step_key = jax.random.split(key)
    chance = draw(act_key, num_steps, num_envs)
    both_keys = jax.random.split(step_key, (num_steps, num_envs))
    keys, reset_keys = jnp.moveaxis(jax.vmap(jax.vmap(jax.random.split))(both_keys), 2, 0)  # as `Environment.step` does
    beginnings = jax.vmap(jax.vmap(environment.reset, (0, None)), (0, None))(reset_keys, params)

    def step(actors: Actors, now: tuple[Any, Key, Any]) -> tuple[Actors, Trajectory]:
        chance, keys, beginning = now
        action, memory, noted = act(chance, actors.memory, actors.observation, actors.start)
        moved = jax.vmap(environment.transition, (0, 0, 0, None))(
            keys, actors.env_state, jax.vmap(as_played)(action), params
        )
        observation, env_state, reward, terminated, truncated, info = jax.vmap(begin_anew_at_the_end)(moved, beginning)
        ended = terminated | truncated
        earned = actors.earned + reward
        after = Actors(
            env_state,
            observation,
            ended,
            memory,
            jnp.where(ended, 0.0, earned),
            jnp.where(ended, earned, actors.last_return),
        )
        return after, Trajectory(
            actors.observation, actors.start, actors.memory, action, reward, terminated, ended,
            info["final_observation"], noted,
        )  # fmt: skip

    return lax.scan(step, actors, (chance, keys, beginnings))


def memory_after(actors: Actors, trajectory: Trajectory) -> Memory:
    """The memory after each step's observation was seen, leaves [T, N, ...]; `actors` are those after the rollout."""
    return jax.tree.map(
        lambda before, last: jnp.concatenate([before[1:], last[None]]), trajectory.memory, actors.memory
    )
