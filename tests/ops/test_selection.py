from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.ops.selection import FEW, greatest, smallest, smallest_of_many


def columns(dtype, rows=60, seed=0):
    """Distinct values in no order."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(rows) for _ in range(5)], axis=1).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 3, FEW, FEW + 1, 60])
def test_the_least_of_each_column_and_where_they_stand(k, dtype):
    with jax.enable_x64(True):
        values = columns(dtype)
        least, rows = smallest(jnp.array(values), k)
        assert least.dtype == dtype
        np.testing.assert_array_equal(least, np.sort(values, axis=0)[:k])
        np.testing.assert_array_equal(rows, np.argsort(values, axis=0)[:k])


@pytest.mark.parametrize("k", [2, FEW + 2])
@pytest.mark.parametrize("group", [1, 4, 5])
def test_two_stages_find_the_same(group, k):
    values = columns(np.float32)
    least, rows = smallest_of_many(jnp.array(values), k, group)
    np.testing.assert_array_equal(least, np.sort(values, axis=0)[:k])
    np.testing.assert_array_equal(rows, np.argsort(values, axis=0)[:k])


@pytest.mark.parametrize("find", [smallest, partial(smallest_of_many, group=4)])
@pytest.mark.parametrize("k", [5, FEW + 2])
def test_where_finite_values_run_out_the_rest_is_infinite(find, k):
    values = np.full((48, 2), np.inf, np.float32)
    values[[3, 17], 0] = [2.0, 1.0]
    values[9, 1] = 0.0
    least, rows = find(jnp.array(values), k)
    np.testing.assert_array_equal(least[:2], [[1.0, 0.0], [2.0, np.inf]])
    np.testing.assert_array_equal(rows[:2, 0], [17, 3])
    assert rows[0, 1] == 9
    assert np.isinf(least[2:]).all()


def test_equal_values_come_in_the_order_of_their_rows():
    values = np.array([[1, 0, 1, 0, 0]], np.float32).T
    for k in (3, 5):
        np.testing.assert_array_equal(smallest(jnp.array(values), k)[1][:, 0], [1, 3, 4, 0, 2][:k])


@pytest.mark.parametrize("values", [[3.0, 7.0, 7.0, -1.0], [-np.inf, -np.inf, -5.0], [-np.inf, -np.inf], [np.inf, 0.0]])
def test_the_first_of_the_greatest(values):
    most, place = greatest(jnp.array(values))
    assert (most, place) == (np.max(values), np.argmax(values))
