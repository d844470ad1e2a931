"""Settings of hyper-parameters side by side: a NamedTuple whose fields have an axis of M members, or are shared by all.

A field that all members share keeps no axis, so that what depends on it alone is computed once.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.types import Hypers


def grid(hypers: Hypers, **values: Sequence[float]) -> Hypers:
    """Every combination of the values of some fields, the last field varying fastest; the others stay as they are.

    `grid(Hypers(), C=[0.1, 1, 10])`. Raises ValueError for a field that `hypers` does not have, and for one without
    values.
    """
    for field, numbers in values.items():
        if field not in hypers._fields:
            raise ValueError(f"field: got {field!r}, allowed are {', '.join(hypers._fields)}")
        if len(numbers) == 0:
            raise ValueError(f"field {field}: got no values, at least one is needed")
    rows = list(itertools.product(*values.values()))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return hypers._replace(**dict(zip(values, columns, strict=True)))


def member(hypers: Hypers, index: jax.typing.ArrayLike) -> Hypers:
    """The settings of one member, each number without the members' axis."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[index] if jnp.ndim(leaf) else leaf, hypers)


def split_shared(hypers: Hypers) -> tuple[list[Any], Any]:
    """The leaves with an axis of members, [M, ...], and a function that makes the hypers of one member from its own.

    Where no leaf has one there is a single member. Raises ValueError where lengths differ.
    """
    leaves, treedef = jax.tree.flatten(hypers)
    varies = [jnp.ndim(leaf) > 0 for leaf in leaves]
    counts = {jnp.shape(leaf)[0] for leaf, has_axis in zip(leaves, varies, strict=True) if has_axis}
    if len(counts) > 1:
        raise ValueError(f"hypers: got fields of {sorted(counts)} members, wanted one number M or no axis")
    if not counts:
        return [jnp.zeros(1)], lambda _: hypers

    def rebuild(members: Sequence[Any]) -> Hypers:
        own = iter(members)
        merged = [next(own) if has_axis else leaf for leaf, has_axis in zip(leaves, varies, strict=True)]
        return jax.tree.unflatten(treedef, merged)

    return [jnp.asarray(leaf) for leaf, has_axis in zip(leaves, varies, strict=True) if has_axis], rebuild
