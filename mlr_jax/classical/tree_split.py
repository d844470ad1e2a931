"""The best split of every node of a level: all features and all cuts, from histograms.

A cut after code c sends rows with code <= c to the left. The cut is swept from left to right, once with the missing
values on the right side and once with them on the left, so it is learned which side suits them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical.tree_criteria import Criterion


class Cut(NamedTuple):
    """The best cut of each feature in each node, [J, M]; the gain is -inf where no cut is allowed."""

    gain: jax.Array
    code: jax.Array
    missing_left: jax.Array


class Split(NamedTuple):
    """The best split of each of M nodes, [M]; the gain is -inf where none is allowed.

    feature: which of the J features
    cut:     the last code on the left, and `beyond` the next code on the right that a row of the node has
    """

    gain: jax.Array
    feature: jax.Array
    cut: jax.Array
    beyond: jax.Array
    missing_left: jax.Array


def best_splits(histogram: jax.Array, criterion: Criterion) -> Split:
    """histogram [max_bins + 1, C, J, M], missing values last -> the best split of each of M nodes."""
    cuts = _best_cuts(histogram, criterion)
    feature = jnp.argmax(cuts.gain, axis=0).astype(jnp.int32)
    best = jax.tree.map(lambda leaf: jnp.take_along_axis(leaf, feature[None], axis=0)[0], cuts)
    chosen = jnp.take_along_axis(histogram, feature[None, None, None], axis=2)[:, :, 0]
    weight = criterion.weight(chosen.swapaxes(0, 1))  # [max_bins + 1, M]
    codes = lax.broadcasted_iota(jnp.int32, weight.shape, 0)
    on_the_left = codes <= best.code[None]
    beyond = jnp.min(jnp.where(~on_the_left & (weight > 0), codes, weight.shape[0] - 1), axis=0)
    # A node without missing values cannot learn where to send them: they go with the majority.
    majority_is_left = 2 * jnp.sum(jnp.where(on_the_left, weight, 0), axis=0) > jnp.sum(weight, axis=0)
    missing_left = jnp.where(weight[-1] > 0, best.missing_left, majority_is_left)
    return Split(best.gain, feature, best.code, beyond, missing_left)


def _best_cuts(histogram: jax.Array, criterion: Criterion) -> Cut:
    missing = histogram[-1]
    total = jnp.sum(histogram[:, :, :1], axis=0)  # [C, 1, M], the same for every feature
    codes = jnp.arange(histogram.shape[0], dtype=jnp.int32)

    def sweep(is_second: jax.Array, best: Cut) -> Cut:
        def move_to_the_left(carry: tuple, entry: tuple) -> tuple[tuple, None]:
            left, best = carry
            statistics, code = entry
            left = left + statistics
            gain = criterion.gain(left, total - left)
            is_better = gain > best.gain
            code = jnp.where(is_better, code, best.code)
            missing_left = jnp.where(is_better, is_second > 0, best.missing_left)
            return (left, Cut(jnp.maximum(gain, best.gain), code, missing_left)), None

        return lax.scan(move_to_the_left, (missing * is_second, best), (histogram, codes))[0][1]

    shape = missing.shape[1:]
    nothing = Cut(jnp.full(shape, -jnp.inf, missing.dtype), jnp.zeros(shape, jnp.int32), jnp.zeros(shape, bool))
    num_sweeps = 1 + jnp.any(missing != 0)  # most sets have no missing values, and need no second sweep
    return lax.fori_loop(0, num_sweeps, sweep, nothing)
