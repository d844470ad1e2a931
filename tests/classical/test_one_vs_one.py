"""Pairs of classes and their votes, beside scikit-learn's own helper."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.utils.multiclass import _ovr_decision_function

from mlr_jax.classical.one_vs_one import pairs_of, rows_by_class, rows_of_pair, scores, votes


def test_every_two_classes_are_a_pair_in_order():
    np.testing.assert_array_equal(pairs_of(4), list(itertools.combinations(range(4), 2)))


@pytest.mark.parametrize("pair", [(0, 1), (0, 3), (2, 3), (1, 2)])
def test_a_machine_gets_the_rows_of_its_two_classes_and_no_row_of_weight_zero(pair):
    rng = np.random.default_rng(0)
    y = rng.choice([0, 1, 3], 40)  # class 2 has no rows
    weight = rng.integers(0, 3, 40).astype(np.float32)
    rows, label = map(np.asarray, rows_of_pair(rows_by_class(jnp.array(y), jnp.array(weight), 4), jnp.array(pair)))
    for sign, number in zip((1, -1), pair, strict=True):
        assert sorted(rows[label == sign]) == np.flatnonzero((y == number) & (weight > 0)).tolist()
    assert (np.diff(np.abs(label)) <= 0).all(), "rows that take part come first"


def test_scores_are_the_decision_function_of_scikit_learn():
    values = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
    expected = _ovr_decision_function(values < 0, -values, 4)
    np.testing.assert_allclose(scores(jnp.array(values), 4), expected, atol=1e-5)
    np.testing.assert_array_equal(votes(jnp.array(values), 4), np.round(expected))


def test_two_classes_have_opposite_scores():
    np.testing.assert_array_equal(scores(jnp.array([[2.0], [-1.0]]), 2), [[2.0, -2.0], [-1.0, 1.0]])


def test_machines_and_classes_must_belong_together():
    with pytest.raises(ValueError, match="values: got 5 machines, 4 classes have 6"):
        votes(jnp.ones((3, 5)), 4)
