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

    def move_to_the_left(left: jax.Array, statistics: jax.Array) -> tuple[jax.Array, jax.Array]:
        left = left + statistics
        return left, criterion.gain(left, total - left)

    def sweep(is_second: jax.Array, best: Cut) -> Cut:
        _, gains = lax.scan(move_to_the_left, missing * is_second, histogram)
        gain, code = _greatest_of_columns(gains)
        found = Cut(gain, code, jnp.full_like(best.missing_left, is_second > 0))
        return jax.tree.map(lambda new, old: jnp.where(gain > best.gain, new, old), found, best)

    shape = missing.shape[1:]
    nothing = Cut(jnp.full(shape, -jnp.inf, missing.dtype), jnp.zeros(shape, jnp.int32), jnp.zeros(shape, bool))
    num_sweeps = 1 + jnp.any(missing != 0)  # most sets have no missing values, and need no second sweep
    return lax.fori_loop(0, num_sweeps, sweep, nothing)


def _greatest_of_columns(values: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The greatest of each column and the first row where it stands: [B, ...] -> [...], row by row for its speed."""

    def compare(best: tuple[jax.Array, jax.Array], entry: tuple[jax.Array, jax.Array]) -> tuple[tuple, None]:
        (greatest, place), (row, number) = best, entry
        return (jnp.maximum(greatest, row), jnp.where(row > greatest, number, place)), None

    nothing = jnp.full(values.shape[1:], -jnp.inf, values.dtype), jnp.zeros(values.shape[1:], jnp.int32)
    return lax.scan(compare, nothing, (values, jnp.arange(values.shape[0], dtype=jnp.int32)))[0]
