"""What a Q-learner remembers: a ring of transitions, with priorities or without, recalled as returns over n steps."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Key
from mlr_jax.rl import buffer as ring
from mlr_jax.rl.buffer import Buffer, Priorities
from mlr_jax.rl.experience import Transition

LEAST_SURPRISE = 1e-6
"""Added to errors, so that what is known by heart can still be drawn."""


class Replay(NamedTuple):
    """A buffer of transitions, and the priority of each; None where they are drawn uniformly."""

    buffer: Buffer
    priorities: Priorities | None


class Target(NamedTuple):
    """Of n steps: the discounted sum of rewards, the discount of what follows, and the number of the last step, []."""

    reward: jax.Array
    discount: jax.Array
    last: jax.Array


class Recollection(NamedTuple):
    """B transitions: what was seen, what was done, what came of it over n steps, and what was seen then."""

    observation: jax.Array
    action: jax.Array
    target: Target
    next_observation: jax.Array


def empty(item: Transition, capacity: int, *, prioritised: bool = False) -> Replay:
    """Nothing yet; `item` shows the shapes and dtypes of a transition."""
    return Replay(ring.empty(item, capacity), ring.no_priorities(capacity) if prioritised else None)


def remember(replay: Replay, transitions: Transition, newest: int = 0) -> Replay:
    """Add transitions [K, ...]; each is held back until `newest` others have followed it."""
    buffer = ring.add(replay.buffer, transitions)
    if replay.priorities is None:
        return Replay(buffer, None)
    return Replay(buffer, ring.admit(replay.priorities, buffer, transitions.reward.shape[0], newest))


def draw(
    replay: Replay, key: Key, count: int, newest: int, exponent: jax.typing.ArrayLike
) -> tuple[jax.Array, jax.Array]:
    """Slots, all but the `newest`, and the weight of each in a mean: (size P(i))^-exponent by priority, else 1."""
    if replay.priorities is None:
        return ring.draw_uniform(replay.buffer, key, count, newest), jnp.ones(count)
    slots, probabilities = ring.draw_by_priority(replay.priorities, key, count)
    return slots, ring.importance(probabilities, replay.buffer.size, exponent)


def reconsider(replay: Replay, slots: jax.Array, errors: jax.Array, exponent: jax.typing.ArrayLike) -> Replay:
    """The priority of these slots is |error|^exponent from now on."""
    if replay.priorities is None:
        return replay
    values = (jnp.abs(errors) + LEAST_SURPRISE) ** exponent
    return replay._replace(priorities=ring.set_priorities(replay.priorities, slots, values))


def n_step_target(
    r_t: jax.Array, terminated_t: jax.Array, ended_t: jax.Array, discount: jax.typing.ArrayLike
) -> Target:
    """sum_k gamma^k r_{t+k} over the n steps of r_t [n], or up to the end of the episode within them.

    ended_t marks the last step of an episode; if it has terminated too, nothing follows: the discount is 0.
    """
    goes_on = jnp.concatenate([jnp.ones(1), jnp.cumprod(1.0 - ended_t[:-1])])
    last = jnp.sum(goes_on).astype(jnp.int32) - 1
    powers: Any = jnp.asarray(discount) ** jnp.arange(r_t.shape[0] + 1)
    return Target(jnp.sum(powers[:-1] * goes_on * r_t), powers[last + 1] * (1.0 - terminated_t[last]), last)


def recall(items: Any, slots: jax.Array, num_envs: int, n_step: int, discount: jax.typing.ArrayLike) -> Recollection:
    """The transitions in these slots; what followed each lies in slots that are `num_envs` apart."""
    capacity = items.reward.shape[0]
    rows = (slots[:, None] + num_envs * jnp.arange(n_step)[None]) % capacity
    target = jax.vmap(n_step_target, (0, 0, 0, None))(
        items.reward[rows], items.terminated[rows], items.ended[rows], discount
    )
    last = (slots + num_envs * target.last) % capacity
    return Recollection(items.observation[slots], items.action[slots], target, items.next_observation[last])
