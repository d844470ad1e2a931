import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from mlr_jax.ops import permutation
from mlr_jax.ops.permutation import permute


@partial(jax.jit, static_argnums=0)
def whole(size, key, epoch):
    """All of a permutation."""
    return permute(key, epoch, jnp.arange(size, dtype=jnp.int32), size)


@partial(jax.jit, static_argnums=0)
def shuffled(size, key):
    return jax.random.permutation(key, size)


def orders(size, seeds, epoch=0):
    """The whole permutation of each key, [seeds, size]."""
    keys = jax.vmap(jax.random.key)(jnp.arange(seeds))
    return np.array(jax.vmap(partial(whole, size), (0, None))(keys, jnp.int32(epoch)))


def orders_by_library(size, seeds):
    """The same by `jax.random.permutation`."""
    return np.array(jax.vmap(partial(shuffled, size))(jax.vmap(jax.random.key)(jnp.arange(seeds))))


def surprise(counts):
    """-log10 of the probability of counts as uneven as these if all were equally likely (chi-squared)."""
    return -np.log10(max(stats.chisquare(np.ravel(counts)).pvalue, 1e-300))


BOUND = 4.0  # one chance in ten thousand, for keys that are always the same
each_shuffle = pytest.mark.parametrize("shuffle", [orders, orders_by_library])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10, 1437, 4096])
def test_every_value_is_taken_exactly_once(size):
    order = orders(size, 5)
    assert order.dtype == np.int32
    np.testing.assert_array_equal(np.sort(order, axis=1), np.tile(np.arange(size), (5, 1)))


def test_values_near_the_greatest_size_are_in_range_and_distinct():
    size = 2**31 - 1
    index = np.concatenate([np.arange(1000), size - 1 - np.arange(1000)]).astype(np.int32)
    values = np.array(jax.jit(partial(permute, size=size))(jax.random.key(0), jnp.int32(0), jnp.array(index)))
    assert 0 <= values.min() <= values.max() < size
    assert len(set(values.tolist())) == 2000


def test_keys_and_epochs_give_permutations_of_their_own():
    found = np.concatenate([orders(50, 20, epoch) for epoch in range(20)])
    assert len({tuple(order) for order in found}) == 400


@pytest.mark.parametrize("word", [0, 1])
def test_either_word_of_a_key_changes_the_permutation(word):
    words = np.full((100, 2), 7, np.uint32)
    words[:, word] = np.arange(100)
    order = jax.vmap(partial(whole, 50), (0, None))(jax.random.wrap_key_data(words), jnp.int32(0))
    assert len({tuple(row) for row in order.tolist()}) == 100


@each_shuffle
@pytest.mark.parametrize("size", [2, 3, 5])
def test_every_order_of_a_few_elements_is_equally_likely(size, shuffle):
    ranks = {order: rank for rank, order in enumerate(itertools.permutations(range(size)))}
    found = [ranks[tuple(order)] for order in shuffle(size, 12_000).tolist()]
    assert surprise(np.bincount(found, minlength=len(ranks))) < BOUND


@each_shuffle
@pytest.mark.parametrize("size", [8, 33])
def test_every_place_of_an_element_is_equally_likely(size, shuffle):
    order = shuffle(size, 12_000)
    for element in (0, size // 2, size - 1):
        assert surprise(np.bincount(order[:, element], minlength=size)) < BOUND
        assert surprise(np.bincount(np.argmax(order == element, axis=1), minlength=size)) < BOUND


@each_shuffle
@pytest.mark.parametrize("size", [8, 33])
def test_every_pair_is_equally_likely_side_by_side(size, shuffle):
    order = shuffle(size, 12_000)
    pairs = np.zeros((size, size), int)
    np.add.at(pairs, (order[:, :-1], order[:, 1:]), 1)
    counts = pairs[~np.eye(size, dtype=bool)]
    assert np.trace(pairs) == 0
    assert surprise(counts) < BOUND


def test_an_epoch_tells_nothing_of_the_next():
    size, seeds = 8, 12_000
    first, second = orders(size, seeds, 0), orders(size, seeds, 1)
    joint = np.zeros((size, size), int)
    np.add.at(joint, (first, second), 1)
    assert surprise(joint) < BOUND
    differences = np.bincount(np.ravel((second - first) % size), minlength=size)
    assert surprise(differences) < BOUND


def test_one_index_at_a_time_or_many_with_epochs_of_their_own():
    key, size = jax.random.key(3), 50
    orders = [whole(size, key, jnp.int32(epoch)) for epoch in range(2)]
    epoch, index = jnp.array([0, 1, 1], jnp.int32), jnp.array([5, 5, 49], jnp.int32)
    expected = [orders[0][5], orders[1][5], orders[1][49]]
    one_by_one = partial(permute, key, size=size)
    np.testing.assert_array_equal(jax.jit(one_by_one)(epoch, index), expected)
    alone = jax.jit(jax.vmap(one_by_one))(epoch, index)
    np.testing.assert_array_equal(alone, expected)


def test_the_program_does_not_grow_with_the_rounds(monkeypatch):
    def operations(rounds):
        monkeypatch.setattr(permutation, "ROUNDS", rounds)
        program = jax.jit(partial(permute, size=50)).lower(jax.random.key(0), jnp.int32(0), jnp.arange(8))
        return program.compile().as_text().count("shift-right-logical(")

    assert operations(48) == operations(24) > 0


@pytest.mark.parametrize("size", [-1, 0, 2**31])
def test_the_size_must_be_positive_and_fit_an_index(size):
    with pytest.raises(ValueError, match=f"size: got {size}, allowed are 1 to 2147483647"):
        permute(jax.random.key(0), jnp.int32(0), jnp.int32(0), size)
