"""Bins beside numpy's, with weights, missing values and extremes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.classical.binning import Binned, as_binned, bin_rows, encode, midpoint

binned_of = jax.jit(bin_rows, static_argnames="max_bins")


def bins_by_hand(values, weight, max_bins):
    """The bins of one column as lists of their distinct values: close a bin where the weight passes a quantile."""
    present = (weight > 0) & ~np.isnan(values)
    distinct = np.unique(values[present])
    if len(distinct) <= max_bins:
        return [[value] for value in distinct]
    mass = np.array([weight[present & (values == value)].sum() for value in distinct])
    reached, bins, current = 0.0, [], []
    for value, added in zip(distinct, mass, strict=True):
        current.append(value)
        before, reached = reached, reached + added
        levels = np.arange(1, max_bins) * mass.sum() / max_bins
        if np.any((levels > before) & (levels <= reached)):
            bins.append(current)
            current = []
    return [*bins, current] if current else bins


def some_rows(rows=60):
    """A column of each kind, and integer weights with zeros among them."""
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(size=rows), rng.integers(0, 5, rows), rng.integers(0, 30, rows) ** 2], axis=1)
    x[rng.random(x.shape) < 0.1] = np.nan
    return x.astype(np.float32), rng.integers(0, 4, rows).astype(np.float32)


@pytest.mark.parametrize("max_bins", [7, 255])
def test_bins_are_those_found_by_hand(max_bins):
    x, weight = some_rows()
    codes, (least, greatest) = binned_of(x, weight, max_bins=max_bins)
    for column in range(x.shape[1]):
        expected = bins_by_hand(x[:, column], weight, max_bins)
        used = np.isfinite(least[column])
        assert used.sum() == len(expected) <= max_bins
        np.testing.assert_array_equal(least[column][used], [values[0] for values in expected])
        np.testing.assert_array_equal(greatest[column][used], [values[-1] for values in expected])
        for value, code, w in zip(x[:, column], codes[column], weight, strict=True):
            if w > 0:
                assert (np.isnan(value) and code == max_bins) or value in expected[code]


def test_a_weight_is_a_repetition_and_zero_is_absence():
    x, weight = some_rows()
    bins = binned_of(x, weight, max_bins=7).bins
    junk = np.where((weight > 0)[:, None], x, np.nan)
    for same in (binned_of(junk, weight, max_bins=7), binned_of(x.repeat(weight.astype(int), 0), max_bins=7)):
        np.testing.assert_array_equal(bins, same.bins)


def test_the_rows_themselves_are_encoded_alike():
    x, weight = some_rows()
    codes, bins = binned_of(x, weight, max_bins=7)
    np.testing.assert_array_equal(codes[:, weight > 0], encode(bins, x).codes[:, weight > 0])


def test_codes_take_one_byte_where_they_can_and_double_precision_stays():
    x = np.linspace(0, 1, 20)[:, None]
    assert bin_rows(x, max_bins=255).codes.dtype == jnp.uint8
    assert bin_rows(x, max_bins=256).codes.dtype == jnp.uint16
    with jax.enable_x64(True):
        close = np.array([[1.0], [1 + 1e-12]])
        codes, bins = bin_rows(close, max_bins=4)
        assert bins.least.dtype == jnp.float64
        np.testing.assert_array_equal(codes, [[0, 1]])


def test_weights_are_an_axis_of_one_program():
    x, weight = some_rows()
    weights = np.stack([weight, weight[::-1]])
    many = jax.jit(jax.vmap(lambda weight: bin_rows(x, weight, max_bins=7)))(weights)
    for row in range(2):
        solo = binned_of(x, weights[row], max_bins=7)
        jax.tree.map(lambda leaf, one, row=row: np.testing.assert_array_equal(leaf[row], one), many, solo)


def test_a_column_without_values_has_no_bins():
    codes, bins = bin_rows(np.full((3, 1), np.nan, np.float32), max_bins=4)
    np.testing.assert_array_equal(codes, [[4, 4, 4]])
    assert np.all(np.isinf(bins.least))


def test_binned_rows_are_taken_as_they_are():
    x, weight = some_rows()
    binned = binned_of(x, max_bins=7)
    same, y, ones = as_binned(binned, np.ones(len(x)), None, 255)
    assert isinstance(same, Binned)
    assert same is binned
    assert y.shape == ones.shape == weight.shape
    with pytest.raises(ValueError, match="y: got shape"):
        as_binned(binned, np.ones(3), None, 255)


@pytest.mark.parametrize("max_bins", [1, 65536])
def test_a_wrong_number_of_bins_is_named(max_bins):
    with pytest.raises(ValueError, match=f"max_bins: got {max_bins}, allowed are 2 to 65535"):
        bin_rows(np.ones((3, 1)), max_bins=max_bins)


def test_values_between_bins_go_to_the_nearer_one_and_those_beyond_the_last_to_the_last():
    bins = binned_of(np.float32([[0.0], [1.0], [5.0]]), np.ones(3, np.float32), max_bins=8).bins
    values = np.float32([[-9.0], [0.4], [0.6], [2.9], [3.1], [5.0], [1e30], [np.inf], [-np.inf], [np.nan]])
    np.testing.assert_array_equal(encode(bins, values).codes[0], [0, 0, 1, 1, 2, 2, 2, 2, 0, 8])


def test_extremes_keep_their_order():
    values = np.float32([-np.inf, -3e38, -2.9e38, -1e-30, 0.0, 1e-30, 3e38, 3.3e38, np.inf])
    binned = binned_of(values[::-1, None], np.ones(9, np.float32), max_bins=16)
    np.testing.assert_array_equal(binned.codes[0], np.arange(9)[::-1])
    np.testing.assert_array_equal(encode(binned.bins, values[:, None]).codes[0], np.arange(9))


@pytest.mark.parametrize(
    ("low", "high"), [(1.0, 2.0), (-3e38, 3e38), (3e38, 3.3e38), (1.0, 1.0000001), (-np.inf, 0.0), (0.0, np.inf)]
)
def test_a_midpoint_parts_two_numbers(low, high):
    low, high = np.float32(low), np.float32(high)
    middle = midpoint(low, high)
    assert low <= middle < high
