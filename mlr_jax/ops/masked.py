"""Reductions over the real rows of a padded batch."""

from typing import Any

import jax
import jax.numpy as jnp


def masked_mean(values: jax.Array, mask: jax.Array) -> jax.Array:
    """sum_b m_b v_b / max(sum_b m_b, 1) in float32: values [B], mask [B] of ones and zeros; returns []."""
    kept = jnp.where(mask > 0, values.astype(jnp.float32), 0.0)
    return jnp.sum(kept) / jnp.maximum(jnp.sum(mask, dtype=jnp.float32), 1.0)


def blank_padding(tree: Any, mask: jax.Array) -> Any:
    """Every row whose mask is 0 set to zero, leaf by leaf: leaves [B, ...], mask [B].

    Done on the way in, it makes a model indifferent to what stands in the padding, NaN included: a NaN that is
    masked only on the way out still poisons the gradient.
    """

    def blank(leaf: jax.Array) -> jax.Array:
        rows = mask.reshape(mask.shape + (1,) * (leaf.ndim - 1)) > 0
        return jnp.where(rows, leaf, jnp.zeros_like(leaf))

    return jax.tree.map(blank, tree)
