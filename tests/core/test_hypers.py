from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.core.hypers import as_arrays, members


class Hypers(NamedTuple):
    rate: float = 0.1
    decay: float = 0.5
    fold: int = 3


@pytest.mark.parametrize("number", [0.1, np.float64(0.1), np.float16(0.1), jnp.bfloat16(0.1), True])
def test_real_numbers_become_strong_float32(number):
    array = as_arrays(Hypers(rate=number)).rate
    assert (array.dtype, array.weak_type, array.shape) == (jnp.float32, False, ())


@pytest.mark.parametrize("number", [3, np.int64(3), np.uint8(3), jnp.int16(3)])
def test_integers_become_strong_int32(number):
    array = as_arrays(Hypers(fold=number)).fold
    assert (array.dtype, array.weak_type, array.shape) == (jnp.int32, False, ())
    assert array == 3


def test_as_arrays_keeps_type_values_and_shapes():
    hypers = as_arrays(Hypers(rate=np.array([0.25, 0.5])))
    assert isinstance(hypers, Hypers)
    np.testing.assert_array_equal(hypers.rate, [0.25, 0.5])
    assert hypers.decay == 0.5


def test_members_are_all_combinations_with_every_key_and_keys_vary_fastest():
    keys = jax.random.split(jax.random.key(0), 2)
    tiled, hypers, values = members(keys, Hypers(), {"decay": [0.0, 1.0], "fold": [7, 8, 9]})
    combinations = [(decay, fold) for decay in (0.0, 1.0) for fold in (7, 8, 9) for _ in range(2)]
    assert values == [{"decay": decay, "fold": fold} for decay, fold in combinations]
    np.testing.assert_array_equal(hypers.decay, [decay for decay, _ in combinations])
    np.testing.assert_array_equal(hypers.fold, [fold for _, fold in combinations])
    np.testing.assert_array_equal(hypers.rate, np.full(12, 0.1, np.float32))
    assert (hypers.rate.dtype, hypers.fold.dtype) == (jnp.float32, jnp.int32)
    assert [key == keys[index % 2] for index, key in enumerate(tiled)] == [True] * 12


def test_without_values_each_key_is_a_member():
    keys = jax.random.split(jax.random.key(0), 3)
    tiled, hypers, values = members(keys, Hypers())
    assert (tiled == keys).all()
    assert values == [{}, {}, {}]
    np.testing.assert_array_equal(hypers.fold, [3, 3, 3])


def test_a_field_must_exist_and_have_values():
    keys = jax.random.split(jax.random.key(0), 1)
    with pytest.raises(ValueError, match="field: got 'rates', allowed are rate, decay, fold"):
        members(keys, Hypers(), {"rates": [1.0]})
    with pytest.raises(ValueError, match="field rate: got no values"):
        members(keys, Hypers(), {"rate": []})


def test_arrays_given_are_copied_so_that_a_donated_state_does_not_take_them_along():
    given = Hypers(*map(jnp.float32, (0.1, 0.5, 3.0)))
    jax.tree.map(lambda leaf: leaf.delete(), as_arrays(given))
    assert not any(leaf.is_deleted() for leaf in given)
