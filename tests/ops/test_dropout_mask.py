import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from mlr_jax.ops.dropout_mask import dropout_mask

SHAPE = (64, 1000)
masks_of = jax.jit(lambda seeds, keep: jax.vmap(lambda seed: dropout_mask(jax.random.key(seed), keep, SHAPE))(seeds))


@pytest.fixture(scope="module")
def masks():
    """Masks of 24 consecutive seeds, each value kept with the probability 0.4."""
    return np.asarray(masks_of(jnp.arange(24), 0.4)).reshape(24, -1).astype(float)


def test_the_part_kept_is_binomial(masks):
    n = masks.shape[1]
    for kept in masks.sum(1):
        assert stats.binomtest(int(kept), n, 0.4).pvalue > 1e-5
    columns = masks.reshape(24, *SHAPE).sum((0, 1))  # no place is kept more often than another
    expected = 0.4 * 24 * SHAPE[0]
    chi2 = np.sum((columns - expected) ** 2) / (expected * 0.6)
    assert 1e-4 < stats.chi2.sf(chi2, SHAPE[1]) < 1 - 1e-4


def test_masks_of_other_keys_and_neighbouring_values_are_not_correlated(masks):
    centred = masks - masks.mean(1, keepdims=True)
    n = masks.shape[1]
    between = np.corrcoef(masks)[np.triu_indices(24, 1)]
    assert np.abs(between).max() < 5 / np.sqrt(n)
    for lag in (1, 2, 8, 16, 64, 1000):
        along = (centred[:, lag:] * centred[:, :-lag]).mean(1) / 0.24
        assert np.abs(along).max() < 5 / np.sqrt(n)


@pytest.mark.parametrize(("keep", "expected"), [(0.0, False), (1.0, True)])
def test_nothing_and_everything(keep, expected):
    assert (np.asarray(masks_of(jnp.arange(2), keep)) == expected).all()


def test_the_same_key_gives_the_same_mask_and_keys_derived_from_it_others():
    key = jax.random.key(3)
    first, again = (np.asarray(dropout_mask(key, 0.5, (1000,))) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    for step in range(3):
        other = np.asarray(dropout_mask(jax.random.fold_in(key, step), 0.5, (1000,)))
        assert 400 < (first != other).sum() < 600


def test_every_word_of_the_key_counts():
    def mask(*words):
        return np.asarray(dropout_mask(jax.random.wrap_key_data(jnp.array(words, jnp.uint32)), 0.5, (1000,)))

    for words in ((1, 0), (0, 1), (2**31, 0), (0, 2**31), (1, 1)):
        assert 400 < (mask(0, 0) != mask(*words)).sum() < 600
