"""Means over a batch that is spread over devices, right in every way of spreading it.

Under `jit` a sharded batch is one array and a mean over it is already global. Under `shard_map` and `pmap` each device
sees its own rows, and the functions below reduce over the mapped axis; where no such axis is mapped they are the
identity, so an algorithm calls them once and never asks where it runs.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.core.types import Batch, Key

DATA_AXIS = "data"
"""The name of the mesh axis over which rows of a batch are spread."""


def data_axis_is_mapped() -> bool:
    """Whether the code being traced runs once for each device, each with its own rows."""
    try:
        lax.axis_size(DATA_AXIS)
    except NameError:
        return False
    return True


def data_sum(tree: Any) -> Any:
    """Sum of every leaf over the devices that share the batch."""
    return lax.psum(tree, DATA_AXIS) if data_axis_is_mapped() else tree


def data_mean(tree: Any) -> Any:
    """Mean of every leaf over the devices that share the batch."""
    return lax.pmean(tree, DATA_AXIS) if data_axis_is_mapped() else tree


def data_key(key: Key) -> Key:
    """A key of this device's own, so that two devices do not draw the same dropout mask."""
    return jax.random.fold_in(key, lax.axis_index(DATA_AXIS)) if data_axis_is_mapped() else key


def num_rows(batch: Batch) -> jax.Array:
    """Number of real rows of a batch: the sum of its mask, or the length of its leading axis. Shape [], float32."""
    if isinstance(batch, Mapping) and "mask" in batch:
        return jnp.sum(batch["mask"], dtype=jnp.float32)
    leaves = jax.tree.leaves(batch)
    return jnp.float32(leaves[0].shape[0] if leaves else 1)


def data_share(batch: Batch) -> jax.Array:
    """This device's share of the rows, n_device / n: the weight of a local mean in the global mean. Shape [].

    With L_d the mean over the n_d rows of device d, the mean over all rows is sum_d (n_d / n) L_d.
    """
    rows = num_rows(batch)
    return rows / jnp.maximum(data_sum(rows), 1.0) if data_axis_is_mapped() else jnp.ones_like(rows)


def data_weighted_mean(values: jax.Array, weights: jax.Array, batch: Batch) -> jax.Array:
    """sum_i w_i v_i / sum_i w_i over all devices, [N] each, where N items are not as many in each row of the batch.

    Such as tokens of texts of different lengths. What a device returns is a mean that counts by its share of the rows
    (`data_share`), so that together they are the mean over all items. 0 where nothing has a weight.
    """
    total = jnp.sum(jnp.where(weights > 0, weights * values, 0.0), dtype=jnp.float32)
    mean = total / jnp.maximum(data_sum(jnp.sum(weights, dtype=jnp.float32)), 1.0)
    share = data_share(batch)
    return jnp.where(share > 0, mean / jnp.where(share > 0, share, 1.0), 0.0)
