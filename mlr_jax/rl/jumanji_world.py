"""Environments of jumanji, an optional extra, as every agent takes them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Key
from mlr_jax.rl.world import World


def jumanji_world(environment: Any, observe: Callable[[Any], jax.Array] = lambda observation: observation) -> World:
    """A jumanji environment, or the name of a registered one, as a world.

    observe: the environment's observation, often a record, -> the array that an agent sees. An episode that ends with a
    discount other than 0 has only been cut off. Discrete actions must be one number; continuous ones need bounds.

    Raises ValueError for actions of another kind, and ImportError, saying what to install, where a name is given and
    jumanji is not there.
    """
    if isinstance(environment, str):
        environment = _make(environment)

    def reset(key: Key, params: None) -> tuple[jax.Array, Any]:
        state, timestep = environment.reset(key)
        return observe(timestep.observation), state

    def step(key: Key, state: Any, action: jax.Array, params: None) -> tuple[Any, ...]:
        state, timestep = environment.step(state, action)
        has_ended = timestep.step_type == LAST
        seen = observe(timestep.observation)
        first, begun = reset(key, None)
        observation, state = jax.tree.map(
            lambda new, old: jnp.where(has_ended, new, old), (first, begun), (seen, state)
        )
        terminated = has_ended & (timestep.discount == 0)
        return observation, state, timestep.reward, terminated, has_ended & ~terminated, {"final_observation": seen}

    shape = jax.eval_shape(reset, jax.random.key(0), None)[0].shape
    return _with_actions(World(reset, step, None, shape, name=type(environment).__name__), environment.action_spec)


LAST = 2
"""The step type of an episode's last step (`StepType.LAST`)."""


def _make(name: str) -> Any:
    try:
        import jumanji
    except ImportError as error:
        raise ImportError("jumanji is not installed: pip install 'mlr-jax[jumanji]'") from error
    return jumanji.make(name)


def _with_actions(world: World, spec: Any) -> World:
    if getattr(spec, "num_values", None) is not None and spec.shape == ():
        return world._replace(num_actions=int(spec.num_values))
    if hasattr(spec, "minimum") and jnp.issubdtype(spec.dtype, jnp.floating):
        low, high = (
            jnp.broadcast_to(jnp.asarray(end, jnp.float32), spec.shape) for end in (spec.minimum, spec.maximum)
        )
        return world._replace(action_low=low, action_high=high)
    raise ValueError(f"environment: got actions {spec}, needed is one number or a vector with bounds")
