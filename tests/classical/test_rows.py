"""What every classical algorithm does with its rows on entry."""

import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.classical.rows import as_features, as_rows, at_least_tiny, rows_of


def test_rows_of_weight_zero_are_blanked_and_integers_stay():
    x, y, weight = as_rows([[1, 2], [3, 4]], [5, 6], [1, 0])
    np.testing.assert_array_equal(x, [[1, 2], [0, 0]])
    np.testing.assert_array_equal(y, [5, 0])
    assert (x.dtype, y.dtype, weight.dtype) == (jnp.float32, jnp.int32, jnp.float32)


def test_junk_in_a_row_that_is_not_there_reaches_nothing():
    x, y, _ = as_rows(np.float32([[1.0], [np.nan]]), np.float32([2.0, np.inf]), np.float32([3, 0]))
    assert np.isfinite(x).all()
    assert np.isfinite(y).all()


def test_a_mask_takes_rows_away_from_a_batch_and_a_weight_stays():
    batch = {"x": np.ones((3, 1)), "y": np.arange(3), "mask": np.float32([1, 1, 0]), "weight": np.float32([2, 3, 4])}
    np.testing.assert_array_equal(rows_of(batch)[2], [2, 3, 0])
    del batch["weight"]
    np.testing.assert_array_equal(rows_of(batch)[2], [1, 1, 0])
    del batch["mask"]
    np.testing.assert_array_equal(rows_of(batch)[2], [1, 1, 1])


@pytest.mark.parametrize("x", [np.zeros(3), np.zeros((0, 2)), np.zeros((2, 0)), np.zeros((1, 2, 3))])
def test_features_that_are_no_table_are_refused(x):
    with pytest.raises(ValueError, match="x: got shape"):
        as_features(x)


def test_lengths_that_disagree_are_refused():
    with pytest.raises(ValueError, match="y: got shape"):
        as_rows(np.zeros((3, 1)), np.zeros(2))
    with pytest.raises(ValueError, match="weight: got shape"):
        as_rows(np.zeros((3, 1)), np.zeros(3), np.zeros(2))


def test_without_rows_a_share_is_zero_and_not_nan():
    assert 0.0 / at_least_tiny(jnp.float32(0.0)) == 0.0
    assert at_least_tiny(jnp.float32(2.0)) == 2.0
