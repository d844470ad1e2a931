"""Environments as records of pure functions, and the one place that knows gymnax.

An agent asks for nothing but an `Environment`. `make` gives those of gymnax by name; `from_gymnax` takes any object
with gymnax's interface; and a `reset` and a `transition` of your own make one (`rl/probe_environments.py` shows how).
"""

import difflib
import inspect
from collections import namedtuple
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mlr_jax.core.types import Hypers, Key

EnvState = Any
"""A pytree of arrays: everything that the environment's future depends on."""

EnvParams = Any
"""A NamedTuple or dataclass of numbers (masses, lengths, time limits): traced, so one program serves them all."""

PREFIX = "env_"
"""What the name of an environment's parameter begins with among an agent's hyper-parameters."""


class Step(NamedTuple):
    """What follows an action.

    observation, state: where the next action is taken: at the start of a new episode if this one has ended
    reward:             r_t, [] float32
    terminated:         the episode is over: nothing of value follows
    truncated:          the episode was cut, by a time limit say: what would have followed still has a value
    info:               `info["final_observation"]` is what the action led to: `observation`, unless the episode ended
    """

    observation: jax.Array
    state: EnvState
    reward: jax.Array
    terminated: jax.Array
    truncated: jax.Array
    info: Mapping[str, jax.Array]


Transition = Callable[
    [Key, EnvState, jax.Array, EnvParams], tuple[jax.Array, EnvState, jax.Array, jax.Array, jax.Array]
]
"""key, state, action, params -> observation, state, reward, terminated, truncated: a step that never resets."""


class Environment(NamedTuple):
    """One environment; callers vmap. Either `num_actions` is there or `action_low` and `action_high` [A] are.

    reset:      key, params -> observation, state
    transition: key, state, action, params -> observation, state, reward, terminated, truncated
    """

    reset: Callable[[Key, EnvParams], tuple[jax.Array, EnvState]]
    transition: Transition
    params: EnvParams
    observation_shape: tuple[int, ...]
    num_actions: int | None = None
    action_low: np.ndarray | None = None
    action_high: np.ndarray | None = None
    name: str = ""

    @property
    def step(self) -> Callable[[Key, EnvState, jax.Array, EnvParams], Step]:
        """key, state, action, params -> Step: a transition, and a new episode begun where it has ended one."""
        reset, transition = self.reset, self.transition

        def step(key: Key, state: EnvState, action: jax.Array, params: EnvParams) -> Step:
            transition_key, reset_key = jax.random.split(key)
            after = transition(transition_key, state, action, params)
            return begin_anew_at_the_end(after, reset(reset_key, params))

        return step


def begin_anew_at_the_end(
    after: tuple[jax.Array, EnvState, jax.Array, jax.Array, jax.Array], beginning: tuple[jax.Array, EnvState]
) -> Step:
    """What a transition gave, with the beginning of another episode put in its place where it has ended one."""
    final, state, reward, terminated, truncated = after
    has_ended = terminated | truncated
    observation, state = jax.tree.map(lambda new, old: jnp.where(has_ended, new, old), beginning, (final, state))
    return Step(observation, state, jnp.float32(reward), terminated, truncated, {"final_observation": final})


def make(name: str, **changes: Any) -> Environment:
    """An environment of gymnax by its name, with some of its parameters, or what it is constructed from, changed.

    Raises ValueError for an unknown name (the near matches are listed), for a parameter that the environment does not
    have, for an episode of no steps and for an environment that would download data.
    """
    import gymnax
    from gymnax import registration

    if name not in names():
        near = difflib.get_close_matches(name, names(), n=3, cutoff=0.4) or names()
        raise ValueError(f"environment: got {name!r}; near matches are {', '.join(near)}")
    _, default = _quietly(gymnax.make, name)
    fields = _fields(default)
    accepted = [*inspect.signature(registration._registry[name]).parameters]
    for field in changes:
        if field not in fields and field not in accepted:
            raise ValueError(f"{name}: got {field!r}, its parameters are {', '.join([*fields, *accepted])}")
    built, params = _quietly(gymnax.make, name, **{key: value for key, value in changes.items() if key not in fields})
    return from_gymnax(built, replace(params, {key: value for key, value in changes.items() if key in fields}), name)


@cache
def names() -> tuple[str, ...]:
    """The environments that `make` knows: all of gymnax but the one that downloads its data."""
    import gymnax

    return tuple(name for name in gymnax.registered_envs if not name.startswith("MNIST"))


def from_gymnax(environment: Any, params: EnvParams, name: str = "") -> Environment:
    """Any object with the interface of gymnax 1.0: `reset`, `step_env`, `is_truncated`, `action_space`.

    Raises ValueError for an episode of no steps and for actions that are neither discrete nor a box.
    """
    name = name or str(getattr(environment, "name", type(environment).__name__))
    check_length(name, params)

    def reset(key: Key, params: EnvParams) -> tuple[jax.Array, EnvState]:
        return _strong(_quietly(environment.reset, key, params))

    def transition(key: Key, state: EnvState, action: jax.Array, params: EnvParams):
        final, after, reward, terminated, _ = _quietly(environment.step_env, key, state, action, params)
        truncated = _quietly(environment.is_truncated, after, params)
        return _strong((final, after, jnp.float32(reward), jnp.bool(terminated), jnp.bool(truncated)))

    observation, _ = jax.eval_shape(reset, jax.random.key(0), params)
    found = Environment(reset, transition, params, observation.shape, name=name)
    space = environment.action_space(params)
    if hasattr(space, "n"):
        return found._replace(num_actions=int(space.n))
    if not hasattr(space, "low"):
        raise ValueError(f"{name}: got actions of {space}, needed is a discrete space or a box")
    low, high = (np.broadcast_to(np.asarray(end, np.float32), space.shape) for end in (space.low, space.high))
    return found._replace(action_low=low, action_high=high)


def check_length(name: str, params: EnvParams) -> None:
    """Raises ValueError where an episode would have no steps."""
    steps = getattr(params, "max_steps_in_episode", 1)
    if not isinstance(steps, jax.core.Tracer) and np.min(steps) < 1:
        raise ValueError(f"{name}: got max_steps_in_episode={steps}, an episode has at least 1 step")


def number_of_actions(environment: Environment, agent: str) -> int:
    """How many discrete actions there are. Raises ValueError for continuous ones, naming who cannot take them."""
    if environment.num_actions is None:
        raise ValueError(f"{agent}: got {environment.name}, whose actions are continuous; needed are discrete ones")
    return environment.num_actions


def action_bounds(environment: Environment, agent: str) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest actions [A]. Raises ValueError for discrete ones, naming who cannot take them."""
    if environment.action_low is None or environment.action_high is None:
        raise ValueError(f"{agent}: got {environment.name}, whose actions are discrete; needed are continuous ones")
    return environment.action_low, environment.action_high


def replace(params: EnvParams, values: Mapping[str, Any]) -> EnvParams:
    """The parameters with some of them changed."""
    return (params._replace if hasattr(params, "_replace") else params.replace)(**values) if values else params


def with_env_params(hypers: Hypers, environment: Environment, fields: Sequence[str] | None = None) -> Hypers:
    """An agent's hyper-parameters and, as `env_FIELD`, parameters of its environment: all numbers, or those named.

    So a parameter of the environment is traced, swept, stacked and saved like any other hyper-parameter. (Some
    parameters of gymnax are derived from others, such as `total_mass`: change them together.)

    Raises ValueError for a field that the environment does not have.
    """
    numbers = {name: getattr(environment.params, name) for name in _fields(environment.params)}
    numbers = {name: value for name, value in numbers.items() if np.ndim(value) == 0 and not isinstance(value, bool)}
    chosen = tuple(numbers) if fields is None else tuple(fields)
    for field in chosen:
        if field not in numbers:
            raise ValueError(f"{environment.name}: got {field!r}, its numbers are {', '.join(numbers)}")
    old: Any = type(hypers)
    kind = _extended(old, chosen)
    return kind(*hypers, *(numbers[field] for field in chosen))


def env_params_of(environment: Environment, hypers: Hypers) -> EnvParams:
    """The environment's parameters, those that stand among the hyper-parameters as `env_FIELD` taken from there."""
    fields = [name for name in getattr(hypers, "_fields", ()) if name.startswith(PREFIX)]
    return replace(environment.params, {name.removeprefix(PREFIX): getattr(hypers, name) for name in fields})


@cache
def _extended(kind: Hashable, fields: tuple[str, ...]) -> Any:
    """The NamedTuple with further fields: one and the same class every time, as pytrees compare them by identity."""
    old: Any = kind
    return namedtuple(old.__name__, (*old._fields, *(PREFIX + field for field in fields)))


def _fields(params: EnvParams) -> list[str]:
    return [*getattr(params, "_fields", getattr(params, "__dataclass_fields__", ()))]


def _quietly(function: Callable, *arguments: Any, **keywords: Any) -> Any:
    """Others' code, which broadcasts ranks freely."""
    with jax.numpy_rank_promotion("allow"):
        return function(*arguments, **keywords)


def _strong(tree: Any) -> Any:
    """Arrays whose dtype is their own: a state must look the same before and after a step."""
    return jax.tree.map(lambda leaf: lax.convert_element_type(leaf, jnp.asarray(leaf).dtype), tree)
