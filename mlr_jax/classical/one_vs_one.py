"""K classes by a machine for every two of them: which rows each is given, and how they vote.

The P = K (K - 1) / 2 machines stand in the order 01, 02, ..., 12, ...; positive values speak for the first class of a
pair. (Knerr, Personnaz & Dreyfus, 1990.)
"""

from itertools import combinations
from typing import NamedTuple

import jax
import jax.numpy as jnp


class RowsByClass(NamedTuple):
    """The rows of each class side by side, and those of weight 0 behind all others."""

    rows: jax.Array  # [N]
    start: jax.Array  # [K]
    size: jax.Array  # [K]


def pairs_of(num_classes: int) -> jax.Array:
    """The two classes of each machine: [P, 2] int32."""
    return jnp.array(list(combinations(range(num_classes), 2)), jnp.int32)


def rows_by_class(y: jax.Array, weight: jax.Array, num_classes: int) -> RowsByClass:
    """Sort y [N] int in [0, K) once for all machines."""
    place = jnp.where(weight > 0, y, num_classes)
    size = jnp.sum(place[:, None] == jnp.arange(num_classes)[None], axis=0)
    return RowsByClass(jnp.argsort(place, stable=True), jnp.cumsum(size) - size, size)


def rows_of_pair(sorted_rows: RowsByClass, pair: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The rows [N] of a machine, with labels [N] 1 and -1; behind them any rows, with label 0."""
    place = jnp.arange(sorted_rows.rows.shape[0])
    first, both = sorted_rows.size[pair[0]], jnp.sum(sorted_rows.size[pair])
    of_first, of_second = sorted_rows.start[pair[0]] + place, sorted_rows.start[pair[1]] + place - first
    is_first, is_either = place < first, place < both
    rows = sorted_rows.rows[jnp.where(is_either, jnp.where(is_first, of_first, of_second), 0)]
    return rows, jnp.where(is_first, 1, jnp.where(is_either, -1, 0))


def votes(values: jax.Array, num_classes: int) -> jax.Array:
    """How many machines decide for each class: values [N, P], returns [N, K].

    The first class with most votes is libsvm's answer. Raises ValueError where P and K do not belong together.
    """
    first, second = _members(values, num_classes)
    for_first = (values > 0).astype(values.dtype)
    return for_first @ first + (1 - for_first) @ second


def scores(values: jax.Array, num_classes: int) -> jax.Array:
    """Votes, and between classes with as many votes how sure the voters are: values [N, P], returns [N, K].

    score_k = votes_k + s_k / (3 (|s_k| + 1)), where s_k is the sum of the values that speak for class k: what
    scikit-learn calls the decision function of shape "ovr". Of two classes, value and -value.
    """
    first, second = _members(values, num_classes)
    if num_classes == 2:
        return values @ (first - second)
    sureness = values @ (first - second)
    return votes(values, num_classes) + sureness / (3 * (jnp.abs(sureness) + 1))


def _members(values: jax.Array, num_classes: int) -> tuple[jax.Array, jax.Array]:
    """The first and the second class of each machine, one-hot: [P, K] each."""
    pairs = pairs_of(num_classes)
    if values.shape[-1] != len(pairs):
        raise ValueError(f"values: got {values.shape[-1]} machines, {num_classes} classes have {len(pairs)}")
    one_hot = jax.nn.one_hot(pairs, num_classes, dtype=values.dtype)
    return one_hot[:, 0], one_hot[:, 1]
