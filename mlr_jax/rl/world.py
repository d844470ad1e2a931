"""The environments that agents act in: what they must offer, and gymnax's by name."""

import difflib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Key


class World(NamedTuple):
    """An environment, as every agent takes it: any object with these fields is one.

    reset: key, params -> observation, state
    step:  key, state, action, params -> observation, state, reward, terminated, truncated, info. When an episode has
           ended, the observation and the state are those of the next one's beginning, and `info["final_observation"]`
           is what was seen at the end; `terminated` says that nothing would have followed, `truncated` that the episode
           was only cut off
    num_actions, or action_low and action_high [A]: discrete or continuous actions; what is not there is None
    """

    reset: Callable[[Key, Any], tuple[jax.Array, Any]]
    step: Callable[[Key, Any, jax.Array, Any], tuple[Any, ...]]
    params: Any
    observation_shape: tuple[int, ...]
    num_actions: int | None = None
    action_low: jax.Array | None = None
    action_high: jax.Array | None = None
    name: str = ""


def gymnax_world(name: str, **keywords: Any) -> World:
    """gymnax's environment of that name; keywords go to its constructor.

    Raises ValueError for an unknown name, with the names that are near to it.
    """
    from gymnax.environments.spaces import Discrete
    from gymnax.registration import make, registered_envs

    if name not in registered_envs:
        near = difflib.get_close_matches(name, registered_envs, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"allowed are {', '.join(registered_envs)}"
        raise ValueError(f"environment: got {name!r}, which is unknown; {hint}")
    environment, params = make(name, **keywords)
    shape, actions = environment.observation_space(params).shape, environment.action_space(params)
    if isinstance(actions, Discrete):
        return World(environment.reset, environment.step, params, shape, int(actions.n), name=name)
    low, high = (jnp.broadcast_to(jnp.asarray(end, jnp.float32), actions.shape) for end in (actions.low, actions.high))
    return World(environment.reset, environment.step, params, shape, None, low, high, name)


def number_of_actions(world: World, agent: str) -> int:
    """Raises ValueError for continuous actions, naming the agent that cannot take them."""
    if world.num_actions is None:
        raise ValueError(f"{agent}: got an environment of continuous actions, discrete ones are needed")
    return world.num_actions


def action_bounds(world: World, agent: str) -> tuple[jax.Array, jax.Array]:
    """Least and greatest actions [A]. Raises ValueError for discrete ones, naming the agent that cannot take them."""
    if world.action_low is None or world.action_high is None:
        found = f"{world.num_actions} discrete actions"
        raise ValueError(f"{agent}: got an environment of {found}, continuous ones are needed")
    return world.action_low, world.action_high
