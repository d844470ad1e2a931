"""Hyper-parameters as data: NamedTuples of numbers that are traced, stacked and swept like any other array."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.types import Hypers, Key


def as_arrays(hypers: Hypers) -> Hypers:
    """Every number as an array of a fixed dtype (float32 or int32), so that no value changes what is compiled."""

    def as_array(value: Any) -> jax.Array:
        is_integer = jnp.issubdtype(jnp.result_type(value), jnp.integer)
        # A copy: a state is donated, and the caller's arrays would go with it.
        return jnp.array(value, jnp.int32 if is_integer else jnp.float32)

    return jax.tree.map(as_array, hypers)


def members(
    keys: Key, hypers: Hypers, values: Mapping[str, Sequence[float]] | None = None
) -> tuple[Key, Hypers, list[dict[str, float]]]:
    """The members of a sweep: every combination of the values of some fields, each with every key.

    keys [S]; values maps a field of `hypers` to the numbers it takes, and fields not named keep their value.
    Returns keys [M], hypers with leaves [M], and the swept values of each member as a list of M dicts. Keys vary
    fastest: members 0 to S - 1 share the first combination.

    Raises ValueError for a field that `hypers` does not have and for a field without values.
    """
    values = dict(values or {})
    for field, numbers in values.items():
        if field not in hypers._fields:
            raise ValueError(f"sweep field: got {field!r}, allowed are {', '.join(hypers._fields)}")
        if len(numbers) == 0:
            raise ValueError(f"sweep field {field}: got no values, at least one is needed")
    num_keys = keys.shape[0]
    combinations = [dict(zip(values, row, strict=True)) for row in itertools.product(*values.values())]
    rows = [combination for combination in combinations for _ in range(num_keys)]
    stacked = {field: np.array([row.get(field, getattr(hypers, field)) for row in rows]) for field in hypers._fields}
    tiled_keys = keys[np.tile(np.arange(num_keys), len(combinations))]
    return tiled_keys, as_arrays(type(hypers)(**stacked)), rows
