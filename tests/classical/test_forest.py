"""Random forests beside scikit-learn's, and what they know of rows that their trees have not seen."""

from functools import partial

import jax
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

from mlr_jax.classical import forest
from mlr_jax.classical.tree import Hypers

X, Y = load_breast_cancer(return_X_y=True)
X, TEST = np.float32(X), np.arange(len(Y)) % 3 == 0
WEIGHT = np.where(TEST, 0, 1).astype(np.float32)
fit = jax.jit(partial(forest.fit, num_classes=2, num_trees=25, max_depth=4))


@pytest.fixture(scope="module")
def grown():
    return fit(Hypers(), X, Y, WEIGHT, key=jax.random.key(0))


def accuracy(probabilities, rows):
    return np.mean(np.argmax(probabilities[rows], axis=1) == Y[rows])


def test_the_held_out_score_is_within_the_standard_error_of_scikit_learns(grown):
    peer = RandomForestClassifier(25, max_depth=4, random_state=0).fit(X[~TEST], Y[~TEST]).score(X[TEST], Y[TEST])
    assert accuracy(forest.predict(grown, X), TEST) >= peer - np.sqrt(peer * (1 - peer) / TEST.sum())


def test_probabilities_are_the_mean_over_trees(grown):
    probabilities = forest.predict(grown, X[:20])
    alone = [forest.predict(jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], grown), X[:20]) for i in range(25)]
    np.testing.assert_allclose(probabilities, np.mean(alone, axis=0), atol=1e-6)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)


def test_out_of_the_bag_is_worse_than_on_seen_rows_and_near_the_held_out_score(grown):
    unseen = np.asarray(forest.out_of_bag(grown, X, WEIGHT))
    known = ~TEST & np.isfinite(unseen).all(axis=1)
    assert known.sum() > 0.99 * (~TEST).sum()
    held_out = accuracy(forest.predict(grown, X), TEST)
    assert accuracy(unseen, known) < accuracy(forest.predict(grown, X), known)
    assert abs(accuracy(unseen, known) - held_out) < 0.05


def test_bootstraps_count_rows_by_a_poisson_law():
    draws = np.asarray(forest.draws(jax.random.key(1), np.ones(100_000, np.float32)))
    np.testing.assert_allclose([draws.mean(), draws.var()], 1, atol=0.02)
    np.testing.assert_allclose(np.mean(draws == 0), np.exp(-1), atol=0.01)


def test_importances_are_shares_and_the_key_decides(grown):
    shares = forest.feature_importances(grown, X.shape[1])
    np.testing.assert_allclose(np.sum(shares), 1, rtol=1e-5)
    assert np.all(np.asarray(shares) >= 0)
    same, other = (fit(Hypers(), X, Y, WEIGHT, key=jax.random.key(k)) for k in (0, 1))
    np.testing.assert_array_equal(grown.trees.feature, same.trees.feature)
    assert np.any(np.asarray(grown.trees.feature != other.trees.feature))


@pytest.mark.parametrize(
    ("keywords", "message"), [({"num_trees": 0}, "num_trees"), ({"max_features": 31}, "max_features")]
)
def test_a_wrong_size_is_named(keywords, message):
    with pytest.raises(ValueError, match=f"^{message}: got"):
        forest.fit(Hypers(), X, Y, key=jax.random.key(0), num_classes=2, **keywords)
