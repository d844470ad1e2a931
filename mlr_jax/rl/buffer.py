"""Replay memory on the device: a ring of transitions, sampled uniformly or by priority.

The memory is flat: a pytree whose leaves are [capacity, ...]. What N environments do in one step takes the next N
slots, so the transition after the one in slot i lies in slot i + N, and returns over several steps are put together
when they are sampled. All of it is arrays in the agent's state: saved, vmapped and sharded with it.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Key

WIDTH = 128
"""Priorities in a block: a draw looks through the sums of all blocks, then through one block."""


BELOW_ONE = 1 - 1e-6
"""A draw must not fall behind the last slot through rounding."""


class Buffer(NamedTuple):
    """items [capacity, ...] in slots; `position` of the next one to be written []; `size` of them are filled []."""

    items: Any
    position: jax.Array
    size: jax.Array


class Priorities(NamedTuple):
    """Priorities p_i^alpha in blocks [ceil(capacity / WIDTH), WIDTH], the sum of each block, the greatest ever []."""

    blocks: jax.Array
    sums: jax.Array
    greatest: jax.Array


def empty(item: Any, capacity: int) -> Buffer:
    """A buffer without items; `item` shows the shape and dtype of one."""
    items = jax.tree.map(lambda leaf: jnp.zeros((capacity, *jnp.shape(leaf)), jnp.result_type(leaf)), item)
    return Buffer(items, jnp.int32(0), jnp.int32(0))


def capacity_of(buffer: Buffer) -> int:
    """How many items it can hold."""
    return jax.tree.leaves(buffer.items)[0].shape[0]


def add(buffer: Buffer, items: Any) -> Buffer:
    """Write n items [n, ...] into the next n slots, over the oldest ones where it is full.

    Raises ValueError where n does not divide the capacity: then they would not lie side by side.
    """
    capacity, count = capacity_of(buffer), jax.tree.leaves(items)[0].shape[0]
    if capacity % count:
        raise ValueError(f"capacity: got {capacity}, must be a multiple of the {count} items that are added at once")

    def write(memory: jax.Array, new: jax.Array) -> jax.Array:
        return jax.lax.dynamic_update_slice_in_dim(memory, new.astype(memory.dtype), buffer.position, axis=0)

    position = (buffer.position + count) % capacity
    return Buffer(jax.tree.map(write, buffer.items, items), position, jnp.minimum(buffer.size + count, capacity))


def draw_uniform(buffer: Buffer, key: Key, count: int, newest: int = 0) -> jax.Array:
    """Slots of `count` items drawn with replacement, each as likely, without the `newest` ones: [count] int32.

    More than `newest` items must be there.
    """
    capacity = capacity_of(buffer)
    age = jax.random.randint(key, (count,), newest + 1, buffer.size + 1)
    return (buffer.position - age) % capacity


def no_priorities(capacity: int) -> Priorities:
    """Priority 0, which is never drawn, for every slot."""
    blocks = -(-capacity // WIDTH)
    return Priorities(jnp.zeros((blocks, WIDTH)), jnp.zeros(blocks), jnp.float32(1.0))


def set_priorities(priorities: Priorities, slots: jax.Array, values: jax.Array) -> Priorities:
    """Give slots [n] the priorities `values` [n]; of a slot that is named twice, one of its values holds."""
    row, column = slots // WIDTH, slots % WIDTH
    blocks = priorities.blocks.at[row, column].set(values)
    sums = priorities.sums.at[row].set(jnp.sum(blocks[row], axis=-1))
    return Priorities(blocks, sums, jnp.maximum(priorities.greatest, jnp.max(values)))


def admit(priorities: Priorities, buffer: Buffer, count: int, newest: int = 0) -> Priorities:
    """After the last `count` items were added: an item waits until `newest` others have followed it.

    Those whose wait is over can be drawn from now on, with the greatest priority there ever was, so that everything is
    seen before it is judged (Schaul et al., 2016).
    """
    capacity, age = capacity_of(buffer), jnp.arange(count, 0, -1)
    waiting = set_priorities(priorities, (buffer.position - age) % capacity, jnp.zeros(count))
    is_there = age + newest <= buffer.size
    values = jnp.where(is_there, priorities.greatest, 0.0)
    return set_priorities(waiting, (buffer.position - age - newest) % capacity, values)


def draw_by_priority(priorities: Priorities, key: Key, count: int) -> tuple[jax.Array, jax.Array]:
    """Slots drawn in proportion to their priority, one from each of `count` equal parts of the sum of priorities.

    Returns slots [count] and their probabilities [count].
    """
    blocks, sums, _ = priorities
    ends = jnp.cumsum(sums)
    target = (jnp.arange(count) + jax.random.uniform(key, (count,))) / count
    row = jnp.searchsorted(ends, jnp.minimum(target, BELOW_ONE) * ends[-1], side="right")
    within = jnp.cumsum(blocks[row], axis=-1)
    rest = jnp.minimum(target * ends[-1] - (ends[row] - sums[row]), within[:, -1] * BELOW_ONE)
    column = jnp.sum(within <= rest[:, None], axis=-1)
    return row * WIDTH + column, blocks[row, column] / ends[-1]


def importance(probabilities: jax.Array, size: jax.Array, beta: jax.typing.ArrayLike) -> jax.Array:
    """w_i = (size P(i))^-beta over their maximum: undoes what drawing by priority adds to a mean. [n] -> [n]."""
    log_weights = -jnp.asarray(beta) * jnp.log(size * probabilities)
    return jnp.exp(log_weights - jnp.max(log_weights))
