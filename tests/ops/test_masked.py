import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.ops.masked import blank_padding, masked_mean

VALUES = np.array([1.0, 2.0, 4.0, 8.0], np.float32)


@pytest.mark.parametrize("mask", [[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 1], [True, False, False, True]])
def test_the_mean_is_that_of_the_rows_kept(mask):
    mask = np.array(mask)
    assert masked_mean(VALUES, mask) == VALUES[mask > 0].mean()
    assert masked_mean(VALUES, jnp.asarray(mask, jnp.float32)).dtype == jnp.float32


def test_the_mean_of_no_rows_is_zero():
    assert masked_mean(VALUES, np.zeros(4, np.float32)) == 0


@pytest.mark.parametrize("junk", [np.nan, np.inf])
def test_junk_in_the_padding_reaches_neither_mean_nor_gradient(junk):
    values, mask = np.array([1.0, 3.0, junk], np.float32), np.array([1.0, 1.0, 0.0], np.float32)
    mean, gradient = jax.value_and_grad(masked_mean)(values, mask)
    assert mean == 2
    np.testing.assert_array_equal(gradient, [0.5, 0.5, 0.0])


def test_many_sixteen_bit_values_are_summed_and_counted_in_float32():
    mean = masked_mean(jnp.ones(1001, jnp.bfloat16), jnp.ones(1001, jnp.bfloat16))
    assert mean.dtype == jnp.float32
    assert mean == 1


def test_padding_is_blanked_in_every_leaf_and_the_rest_is_kept():
    tree = {"x": np.full((3, 2, 2), np.nan, np.float32), "y": np.array([5, 6, 7], np.int32)}
    tree["x"][[0, 2]] = 9.0
    blank = blank_padding(tree, np.array([1.0, 0.0, 1.0], np.float32))
    np.testing.assert_array_equal(blank["x"], np.array([9.0, 0.0, 9.0])[:, None, None] * np.ones((3, 2, 2)))
    np.testing.assert_array_equal(blank["y"], [5, 0, 7])
    assert (blank["x"].dtype, blank["y"].dtype) == (jnp.float32, jnp.int32)
