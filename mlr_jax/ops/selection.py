"""Finding the few least or the greatest of many values, in the forms that compile to fast loops on a CPU."""

import jax
import jax.numpy as jnp
from jax import lax

FEW = 8
"""Up to this many are found by one pass over the values for each; `lax.top_k` is slower for so few."""


def greatest(values: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The greatest of values [N] and the first place where it stands, both [].

    What `argmax` computes, in two reductions that vectorise where its one does not (half the time on a CPU).
    """
    most = jnp.max(values)
    places = jnp.arange(values.shape[0], dtype=jnp.int32)
    return most, jnp.min(jnp.where(values == most, places, values.shape[0] - 1))


def smallest(values: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    """The k least of each column, ascending, and their rows: values [N, B], returns [k, B] and [k, B] int32.

    Equal values come in the order of their rows. Where a column has fewer than k finite values, the rest are infinite
    and their rows mean nothing. Columns lie side by side in memory, so that every operation runs along them.
    """
    if k > FEW and values.dtype == jnp.float32:  # of other types `top_k` is a whole sort
        negative, rows = lax.top_k(-values.T, k)
        return -negative.T, rows.T
    places = lax.broadcasted_iota(jnp.int32, values.shape, 0)

    def take_least(values: jax.Array, _: None) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        least = jnp.min(values, axis=0)
        row = jnp.min(jnp.where(values == least[None], places, values.shape[0] - 1), axis=0)
        return jnp.where(places == row[None], jnp.inf, values), (least, row)

    return lax.scan(take_least, values, None, length=k)[1]


def smallest_of_many(values: jax.Array, k: int, group: int) -> tuple[jax.Array, jax.Array]:
    """`smallest` in two stages, for N much greater than k: values [N, B] with group a divisor of N, k <= N / group.

    The k least values lie in the k groups of rows whose own least are least: one pass finds the least of each
    group, and only k groups are looked into. Among equal values any may be taken.
    """
    size, columns = values.shape
    group_least, groups = smallest(jnp.min(values.reshape(size // group, group, columns), axis=1), k)
    rows = groups[:, None] * group + lax.broadcasted_iota(jnp.int32, (k, group, columns), 1)
    rows = rows.reshape(k * group, columns)
    within = jnp.take_along_axis(values, rows, axis=0)
    # Where groups of finite values run out, `smallest` may name one again: its rows must not be found twice.
    within = jnp.where(jnp.repeat(jnp.isinf(group_least), group, axis=0), jnp.inf, within)
    least, places = smallest(within, k)
    return least, jnp.take_along_axis(rows, places, axis=0)
