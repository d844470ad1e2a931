"""Environments of jumanji, an optional extra, as every agent takes them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.types import Key
from mlr_jax.rl.environment import Environment


def jumanji_world(
    environment: Any, observe: Callable[[Any], jax.Array] = lambda observation: observation
) -> Environment:
    """A jumanji environment, or the name of a registered one, as a world.

    An episode that ends with a discount other than 0 has only been cut off. Discrete actions must be one number;
    continuous ones need bounds.

    Raises ValueError for actions of another kind, and ImportError, saying what to install, where a name is given and
    jumanji is not there.
    """
    if isinstance(environment, str):
        environment = _make(environment)

    def reset(key: Key, params: None) -> tuple[jax.Array, Any]:
        state, timestep = environment.reset(key)
        return observe(timestep.observation), state

    def transition(key: Key, state: Any, action: jax.Array, params: None) -> tuple[Any, ...]:
        state, timestep = environment.step(state, action)
        has_ended = timestep.step_type == LAST
        terminated = has_ended & (timestep.discount == 0)
        return observe(timestep.observation), state, timestep.reward, terminated, has_ended & ~terminated

    shape = jax.eval_shape(reset, jax.random.key(0), None)[0].shape
    world = Environment(reset, transition, None, shape, name=type(environment).__name__)
    return _with_actions(world, environment.action_spec)


LAST = 2
"""The step type of an episode's last step (`StepType.LAST`)."""


def _make(name: str) -> Any:
    try:
        import jumanji
    except ImportError as error:
        raise ImportError("jumanji is not installed: pip install 'mlr-jax[jumanji]'") from error
    return jumanji.make(name)


def _with_actions(world: Environment, spec: Any) -> Environment:
    if getattr(spec, "num_values", None) is not None and spec.shape == ():
        return world._replace(num_actions=int(spec.num_values))
    if hasattr(spec, "minimum") and jnp.issubdtype(spec.dtype, jnp.floating):
        ends = (np.asarray(end, np.float32) for end in (spec.minimum, spec.maximum))
        low, high = (np.broadcast_to(end, spec.shape) for end in ends)
        return world._replace(action_low=low, action_high=high)
    raise ValueError(f"environment: got actions {spec}, needed is one number or a vector with bounds")
