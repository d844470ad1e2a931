"""Reductions over segments: rows that carry the number of the group they belong to, such as edges and their receivers.

`segments` int32 [E] names the segment, 0 to num_segments - 1, of each row of `values` [E, ...]; rows come in any order.
A segment without rows gives 0. A row touches its own segment only, so NaN in the padding stays in the padding's
segments. Everything here is a scatter, which XLA runs in about half a nanosecond for each number on a CPU core.
"""

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.ops.materialised import materialised


def segment_sum(values: jax.Array, segments: jax.Array, num_segments: int) -> jax.Array:
    """s_i = sum_{e: segments_e = i} v_e: values [E, ...] -> [num_segments, ...]."""
    return jax.ops.segment_sum(values, segments, num_segments)


def segment_mean(values: jax.Array, segments: jax.Array, num_segments: int) -> jax.Array:
    """The mean of each segment's rows, 0 where it has none: values [E, ...] -> [num_segments, ...]."""
    counts = segment_count(segments, num_segments, values.dtype)
    return segment_sum(values, segments, num_segments) / _column(jnp.maximum(counts, 1), values)


def segment_count(segments: jax.Array, num_segments: int, dtype: jax.typing.DTypeLike = jnp.float32) -> jax.Array:
    """The number of rows of each segment: [num_segments]."""
    return segment_sum(jnp.ones(segments.shape, dtype), segments, num_segments)


def segment_max(values: jax.Array, segments: jax.Array, num_segments: int) -> jax.Array:
    """The greatest of each segment's rows, elementwise, 0 where it has none: values [E, ...] -> [num_segments, ...].

    Rows that share the maximum share its gradient equally.
    """
    values = materialised(values)  # computed anew with another rounding, the greatest would equal none of them
    greatest = _greatest(values, segments, num_segments)
    is_greatest = values == greatest[segments]
    total = segment_sum(jnp.where(is_greatest, values - greatest[segments], 0), segments, num_segments)
    count = segment_sum(is_greatest.astype(values.dtype), segments, num_segments)
    return greatest + total / jnp.maximum(count, 1)


def segment_softmax(logits: jax.Array, segments: jax.Array, num_segments: int) -> jax.Array:
    """p_e = exp(l_e) / sum_{e': same segment} exp(l_e'), elementwise over the other axes: [E, ...] -> [E, ...]."""
    shifted = jnp.exp(logits - _greatest(logits, segments, num_segments)[segments])
    return shifted / segment_sum(shifted, segments, num_segments)[segments]


def _greatest(values: jax.Array, segments: jax.Array, num_segments: int) -> jax.Array:
    """The maxima, without a gradient of their own."""
    greatest = jax.ops.segment_max(lax.stop_gradient(values), segments, num_segments)
    is_empty = segment_count(segments, num_segments) == 0
    return jnp.where(_column(is_empty, values), 0, greatest)


def _column(numbers: jax.Array, like: jax.Array) -> jax.Array:
    """numbers [S] with the axes that they need to be broadcast against [S, ...]."""
    return numbers.reshape(-1, *(1 for _ in like.shape[1:]))
