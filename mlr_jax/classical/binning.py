"""Binning: every feature cut into a few intervals, so that a tree compares small integers and counts rows by them.

A feature with no more than `max_bins` distinct values gets a bin for each, and nothing is lost. Another is cut at
weighted quantiles: a bin ends at the value with which the weight so far reaches the next multiple of 1 / max_bins.
Missing values (NaN) have a code of their own, `max_bins`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical.rows import as_features, as_rows
from mlr_jax.core.collectives import DATA_AXIS, data_axis_is_mapped, data_sum


class Bins(NamedTuple):
    """The least and the greatest value in each bin, [D, max_bins]; inf and -inf in bins that are not used."""

    least: jax.Array
    greatest: jax.Array


class Binned(NamedTuple):
    """Rows by the codes of their values [D, N], a feature's codes side by side in memory, and what the codes mean."""

    codes: jax.Array
    bins: Bins


def bin_rows(x: jax.typing.ArrayLike, weight: jax.typing.ArrayLike | None = None, *, max_bins: int = 255) -> Binned:
    """The bins of rows x [N, D] with weight [N], and the code of each value.

    Up to 255 bins a code takes one byte. Raises ValueError for fewer than 2 bins or more than 65535.
    """
    x, _, weight = as_rows(x, None, weight)
    check_max_bins(max_bins)

    def bin_feature(values: jax.Array) -> tuple[jax.Array, Bins]:
        return _bin_feature(values, weight, max_bins)

    return Binned(*lax.map(bin_feature, x.T))


def as_binned(
    x: jax.typing.ArrayLike | Binned, y: jax.typing.ArrayLike, weight: jax.typing.ArrayLike | None, max_bins: int
) -> tuple[Binned, jax.Array, jax.Array]:
    """Rows as a tree takes them, with y and weight as arrays; x [N, D] may be binned already, for many fits at once.

    Raises ValueError where ranks or lengths do not agree.
    """
    if isinstance(x, Binned):
        blank = jnp.zeros((x.codes.shape[1], 1), x.bins.least.dtype)
        _, y, weight = as_rows(blank, y, weight)
        return x, jnp.asarray(y), weight
    x, y, weight = as_rows(x, y, weight)
    return bin_rows(x, weight, max_bins=max_bins), jnp.asarray(y), weight


def encode(bins: Bins, x: jax.typing.ArrayLike) -> Binned:
    """Other rows x [N, D] in the same bins; values between two bins go to the nearer one."""
    max_bins = bins.least.shape[1]

    def encode_feature(feature: tuple[Bins, jax.Array]) -> jax.Array:
        (least, greatest), values = feature
        is_used = least[1:] <= greatest[1:]
        edges = jnp.where(is_used, midpoint(greatest[:-1], least[1:]), jnp.inf)
        codes = jnp.searchsorted(edges, values, side="left")
        return jnp.where(jnp.isnan(values), max_bins, codes).astype(_code_dtype(max_bins))

    return Binned(lax.map(encode_feature, (bins, as_features(x).T)), bins)


def midpoint(low: jax.Array, high: jax.Array) -> jax.Array:
    """A number t with low <= t < high, half way where numbers are that dense: elementwise, low < high."""
    middle = low / 2 + high / 2
    return jnp.where((middle >= low) & (middle < high), middle, low)


def check_max_bins(max_bins: int) -> None:
    """Raises ValueError unless codes of so many bins, and of missing values, fit into two bytes."""
    if not 2 <= max_bins <= 65535:
        raise ValueError(f"max_bins: got {max_bins}, allowed are 2 to 65535")


def _bin_feature(values: jax.Array, weight: jax.Array, max_bins: int) -> tuple[jax.Array, Bins]:
    """values [N] -> codes [N] and least and greatest values [max_bins]."""
    keys = _sortable(jnp.where(weight > 0, values, jnp.nan))
    ordered = lax.sort(_of_all_devices(keys), is_stable=False)
    last = jnp.searchsorted(ordered, keys, side="right") - 1  # where the run of values equal to this one ends
    missing = jnp.iinfo(keys.dtype).max
    mass = jnp.zeros(ordered.shape, weight.dtype).at[last].add(jnp.where(keys == missing, 0, weight))
    is_present = ordered != missing
    is_end = _ends_of_bins(data_sum(mass), is_present, max_bins)
    is_start = jnp.concatenate([jnp.ones(1, bool), is_end[:-1]]) & is_present
    code = jnp.cumsum(is_end, dtype=jnp.int32) - is_end
    ordered = _from_sortable(ordered, values.dtype)

    def at(places: jax.Array, unused: float) -> jax.Array:
        nothing = jnp.full(max_bins, unused, values.dtype)
        return nothing.at[jnp.where(places, code, max_bins)].set(ordered, mode="drop")

    codes = jnp.where(jnp.isnan(values), max_bins, code[last])
    return codes.astype(_code_dtype(max_bins)), Bins(at(is_start, jnp.inf), at(is_end, -jnp.inf))


def _ends_of_bins(mass: jax.Array, is_present: jax.Array, max_bins: int) -> jax.Array:
    """Which values [N], in order, are the last of their bin; mass [N] is nonzero at the last of equal values."""
    reached = jnp.cumsum(mass)
    is_distinct = mass > 0
    per_unit = max_bins / jnp.maximum(reached[-1], jnp.finfo(mass.dtype).tiny)
    level = jnp.floor(reached * per_unit)
    passes_level = jnp.minimum(level, max_bins - 1) > jnp.floor((reached - mass) * per_unit)
    fits = jnp.sum(is_distinct) <= max_bins
    is_last = is_present & jnp.concatenate([~is_present[1:], jnp.ones(1, bool)])
    return is_distinct & (fits | passes_level | is_last)


def _of_all_devices(values: jax.Array) -> jax.Array:
    return lax.all_gather(values, DATA_AXIS, tiled=True) if data_axis_is_mapped() else values


def _code_dtype(max_bins: int) -> type:
    return jnp.uint8 if max_bins <= 255 else jnp.uint16


def _sortable(values: jax.Array) -> jax.Array:
    """Integers in the order of the numbers, which sort four times faster on a CPU; NaN is the greatest integer."""
    integer = jnp.dtype(f"int{8 * values.dtype.itemsize}")
    bits = lax.bitcast_convert_type(jnp.where(values == 0, 0, values), integer)
    return jnp.where(jnp.isnan(values), jnp.iinfo(integer).max, _flip_negative(bits))


def _from_sortable(keys: jax.Array, dtype: jnp.dtype) -> jax.Array:
    return lax.bitcast_convert_type(_flip_negative(keys), dtype)


def _flip_negative(bits: jax.Array) -> jax.Array:
    """Below zero, floating numbers fall as their bits rise: all bits but the sign are flipped. Its own inverse."""
    sign = bits >> (8 * bits.dtype.itemsize - 1)
    return bits ^ (sign & jnp.iinfo(bits.dtype).max)
