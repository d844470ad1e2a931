import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mlr_jax.ops.ranks import mass_by_rank, order_key, sorted_with_ranks

compiled = jax.jit(sorted_with_ranks)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_are_sorted_and_ranked_as_by_numpy(dtype):
    width = 8 * np.dtype(dtype).itemsize

    @settings(deadline=None)
    @given(arrays(dtype, 7, elements=st.floats(allow_nan=False, allow_subnormal=False, width=width)))
    def holds(values):
        with jax.enable_x64(dtype == np.float64):
            ascending, ranks = compiled(values)
        np.testing.assert_array_equal(ascending, np.sort(values))
        np.testing.assert_array_equal(ranks, (values[None] < values[:, None]).sum(axis=1))

    holds()


def test_keys_keep_the_order_over_the_whole_range():
    values = np.array([-np.inf, -3e38, -1.0, -1e-38, -0.0, 0.0, 1e-38, 1.0, 3e38, np.inf], np.float32)
    keys = np.asarray(order_key(values))
    assert np.all(np.diff(keys.astype(np.int64))[[0, 1, 2, 3, 5, 6, 7, 8]] > 0)
    assert keys[4] == keys[5]
    with jax.enable_x64(True):
        assert order_key(values.astype(np.float64)).dtype == np.int64


def test_mass_is_the_weight_on_each_rank():
    mass = mass_by_rank(jnp.array([0, 2, 0, 3]), jnp.array([1.0, 2.0, 0.5, 0.0]))
    np.testing.assert_array_equal(mass, [1.5, 0, 2, 0])
