"""Transitions for agents that learn from a memory."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Key
from mlr_jax.rl.environment import Environment
from mlr_jax.rl.rollout import Actors, rollout


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


def collect(
    environment: Environment,
    params: Any,
    actors: Actors,
    key: Key,
    *,
    act: Callable[[jax.Array, Key], jax.Array],
    length: int,
    as_played: Callable[[jax.Array], jax.Array] = lambda action: action,
) -> tuple[Actors, Transition]:
    """`length` steps of every environment: leaves [length, N, ...].

    act:       observations [N, ...], key -> actions [N, ...]
    as_played: an action, as it is to be remembered -> as the environment takes it
    """
    actors, found = rollout(
        environment, params, lambda key, memory, seen, start: (act(seen, key), memory, ()), actors, key,
        num_steps=length, as_played=as_played,
    )  # fmt: skip
    terminated, ended = (flag.astype(jnp.float32) for flag in (found.terminated, found.ended))
    return actors, Transition(found.observation, found.action, found.reward, terminated, ended, found.final_observation)


def flatten(transitions: Transition) -> Transition:
    """[T, N, ...] -> [T N, ...] in the order of time: the successor of row i is row i + N."""
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), transitions)


def blank(actors: Actors, action: jax.Array, store_as: Any = None) -> Transition:
    """The shapes and dtypes of one transition in a memory, observations as `store_as` where it is given."""
    observation = jnp.zeros(actors.observation.shape[1:], store_as or actors.observation.dtype)
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
