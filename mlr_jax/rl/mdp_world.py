"""A decision process to act in: what is computed exactly from its tables can also be learned from experience."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Key
from mlr_jax.rl.environment import Environment
from mlr_jax.rl.mdp import MDP


class Params(NamedTuple):
    """The tables, and the steps after which an episode is cut off: worlds with other ones can be vmapped."""

    mdp: MDP
    max_steps: jax.Array


class Place(NamedTuple):
    """The number of the state, and the steps taken in this episode, []."""

    state: jax.Array
    time: jax.Array


def world_of(mdp: MDP, max_steps: int, *, one_hot: bool = False) -> Environment:
    """The process as an environment: what is seen is the number of its state, or a vector with a 1 in its place.

    Raises ValueError for episodes of no step.
    """
    if max_steps < 1:
        raise ValueError(f"max_steps: got {max_steps}, an episode has at least 1 step")
    num_states, num_actions, _ = mdp.transition.shape

    def see(state: jax.Array) -> jax.Array:
        return jax.nn.one_hot(state, num_states) if one_hot else state

    def reset(key: Key, params: Params) -> tuple[jax.Array, Place]:
        state = _draw(key, params.mdp.start)
        return see(state), Place(state, jnp.int32(0))

    def transition(key: Key, place: Place, action: jax.Array, params: Params):
        state = _draw(key, params.mdp.transition[place.state, action])
        reward = params.mdp.reward[place.state, action, state]
        terminated = params.mdp.terminal[state] > 0
        truncated = (place.time + 1 >= params.max_steps) & ~terminated
        return see(state), Place(state, place.time + 1), reward, terminated, truncated

    shape = (num_states,) if one_hot else ()
    return Environment(reset, transition, Params(mdp, jnp.int32(max_steps)), shape, num_actions, name="MDP")


def _draw(key: Key, probabilities: jax.Array) -> jax.Array:
    """A number in proportion to its probability, by one uniform draw."""
    ends = jnp.cumsum(probabilities)
    drawn = jnp.sum(ends <= jax.random.uniform(key) * ends[-1])
    return jnp.minimum(drawn, len(ends) - 1).astype(jnp.int32)
