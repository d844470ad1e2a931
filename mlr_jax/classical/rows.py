"""What every classical algorithm does with its data on entry: check the shapes, give each row a weight."""

from typing import Any

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Batch
from mlr_jax.ops.masked import blank_padding


def as_rows(
    x: jax.typing.ArrayLike, y: jax.typing.ArrayLike | None = None, weight: jax.typing.ArrayLike | None = None
) -> tuple[jax.Array, Any, jax.Array]:
    """x [N, D], y [N, ...] (or None) and weight [N], one where it is not given, as arrays of one floating dtype.

    Rows of weight 0 are set to zero, so that nothing that stands in them, NaN included, reaches a result. Integer
    labels stay integers. Raises ValueError where ranks or lengths do not agree.
    """
    x = as_features(x)
    if y is not None:
        y = jnp.asarray(y)
        y = y if jnp.issubdtype(y.dtype, jnp.integer) else y.astype(x.dtype)
        if y.ndim < 1 or y.shape[0] != x.shape[0]:
            raise ValueError(f"y: got shape {y.shape}, its first axis must be the {x.shape[0]} rows of x")
    if weight is None:
        return x, y, jnp.ones(x.shape[0], x.dtype)
    weight = jnp.asarray(weight, x.dtype)
    if weight.shape != x.shape[:1]:
        raise ValueError(f"weight: got shape {weight.shape}, one number for each of the {x.shape[0]} rows is wanted")
    return blank_padding(x, weight), None if y is None else blank_padding(y, weight), weight


def as_features(x: jax.typing.ArrayLike) -> jax.Array:
    """x [N, D] as an array of a floating dtype. Raises ValueError for another rank and for no columns or rows."""
    x = jnp.asarray(x)
    x = x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.float32)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"x: got shape {x.shape}, wanted [N, D] with at least one row and one column")
    return x


def rows_of(batch: Batch) -> tuple[jax.Array, Any, jax.Array]:
    """x, y and weight of a learner's batch: "x", "y" and "weight" where given, and 0 where "mask" says padding."""
    weight = batch.get("weight")
    if "mask" in batch:
        weight = batch["mask"] if weight is None else jnp.where(batch["mask"] > 0, weight, 0.0)
    return as_rows(batch["x"], batch.get("y"), weight)


def at_least_tiny(total: jax.Array) -> jax.Array:
    """A total weight that can be divided by: without rows, 0 / tiny is 0."""
    return jnp.maximum(total, jnp.finfo(total.dtype).tiny)
