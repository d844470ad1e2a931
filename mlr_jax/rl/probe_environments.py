"""Five tiny environments that tell what is wrong with an agent, and a chain; each with its exact values.

They ask for one thing after another (after Andy Jones, "Debugging RL, Without the Agonizing Pain", 2021): an agent that
fails the first that it fails has its error there.

1. constant_reward:    one state, one step, reward 1: is the value learned at all?
2. known_reward:       one step, the observation is the reward: does the value depend on the observation?
3. known_discount:     two steps, reward 1 at the end: is the value carried back through time, discounted?
4. action_decides:     one step, the reward is 1 for action 1 and 0 for action 0: does the policy improve?
5. observation_decides: one step, the reward is 1 where the action fits the observation, else 0: do both together?

They double as the example of writing an environment: a `reset` and a `transition`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.types import Key
from mlr_jax.rl.environment import Environment


class ProbeParams(NamedTuple):
    """The reward that there is to earn, and the step after which an episode is cut."""

    reward: float = 1.0
    max_steps_in_episode: int = 1000


class ProbeState(NamedTuple):
    """observation: what is seen now, [1]; time: how many steps the episode has had."""

    observation: jax.Array
    time: jax.Array


def constant_reward(continuous: bool = False) -> Environment:
    """One state, one step, the reward is 1: V(0) = 1."""

    def outcome(observation: jax.Array, action: jax.Array) -> jax.Array:
        return jnp.float32(1.0)

    return _one_step("constant reward", outcome, (0.0,), continuous)


def known_reward(continuous: bool = False) -> Environment:
    """One step, the reward is what was observed, -1 or 1: V(-1) = -1, V(1) = 1."""

    def outcome(observation: jax.Array, action: jax.Array) -> jax.Array:
        return observation[0]

    return _one_step("known reward", outcome, (-1.0, 1.0), continuous)


def action_decides(continuous: bool = False) -> Environment:
    """One step, one state: action 1 earns 1, action 0 nothing. V*(0) = 1.

    Continuous, the reward of action a is 1 - (a - 1/2)^2, which a = 1/2 makes the greatest.
    """

    def outcome(observation: jax.Array, action: jax.Array) -> jax.Array:
        return 1.0 - jnp.square(action[0] - 0.5) if continuous else (action == 1).astype(jnp.float32)

    return _one_step("action decides", outcome, (0.0,), continuous)


def observation_decides(continuous: bool = False) -> Environment:
    """One step: after -1 action 0 earns 1, after 1 action 1 does; the other earns nothing. V*(-1) = V*(1) = 1.

    Continuous, the reward after s is 1 - (a - s/2)^2.
    """

    def outcome(observation: jax.Array, action: jax.Array) -> jax.Array:
        if continuous:
            return 1.0 - jnp.square(action[0] - 0.5 * observation[0])
        return (action == (observation[0] > 0)).astype(jnp.float32)

    return _one_step("observation decides", outcome, (-1.0, 1.0), continuous)


def known_discount(continuous: bool = False) -> Environment:
    """Two steps, whose observations are 0 and 1; the reward comes at the end. V(0) = gamma, V(1) = 1."""

    def transition(key: Key, state: ProbeState, action: jax.Array, params: ProbeParams):
        is_last = state.time == 1
        after = ProbeState(state.observation + 1.0, state.time + 1)
        return after.observation, after, params.reward * is_last, is_last, after.time >= params.max_steps_in_episode

    return _environment("known discount", _reset_to((0.0,)), transition, continuous)


def chain(length: int = 10, end: int = 1000) -> Environment:
    """States 0 .. length - 1 in a row, one-hot observed; action 1 goes right and action 0 left (at state 0 it stays).

    Every step earns `params.reward`, and nothing ends but by the time limit: cut after `max_steps_in_episode` steps
    (`end`), every state is worth reward / (1 - gamma), however short the episodes are.
    """

    def reset(key: Key, params: ProbeParams):
        return jax.nn.one_hot(0, length), ProbeState(jnp.zeros(1), jnp.int32(0))

    def transition(key: Key, state: ProbeState, action: jax.Array, params: ProbeParams):
        place = jnp.clip(state.observation + 2.0 * action.astype(jnp.float32) - 1.0, 0.0, length - 1.0)
        after = ProbeState(place, state.time + 1)
        observation = jax.nn.one_hot(place[0].astype(jnp.int32), length)
        is_cut = after.time >= params.max_steps_in_episode
        return observation, after, jnp.float32(params.reward), jnp.bool(False), is_cut

    return Environment(reset, transition, ProbeParams(max_steps_in_episode=end), (length,), num_actions=2, name="chain")


def _one_step(name: str, outcome, observations: tuple[float, ...], continuous: bool) -> Environment:
    """An episode is one observation, one action and the reward of both, times `params.reward`."""

    def transition(key: Key, state: ProbeState, action: jax.Array, params: ProbeParams):
        reward = params.reward * outcome(state.observation, action)
        after = state._replace(time=state.time + 1)
        return state.observation, after, reward, jnp.bool(True), jnp.bool(False)

    return _environment(name, _reset_to(observations), transition, continuous)


def _reset_to(observations: tuple[float, ...]):
    def reset(key: Key, params: ProbeParams) -> tuple[jax.Array, ProbeState]:
        chosen = jax.random.choice(key, jnp.array(observations), (1,))
        return chosen, ProbeState(chosen, jnp.int32(0))

    return reset


def _environment(name: str, reset, transition, continuous: bool) -> Environment:
    made = Environment(reset, transition, ProbeParams(), (1,), name=name)
    if continuous:
        ends = np.full(1, 1.0, np.float32)
        return made._replace(action_low=-ends, action_high=ends)
    return made._replace(num_actions=2)
