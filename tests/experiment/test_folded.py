from dataclasses import replace

import jax
import numpy as np
import pytest
from sklearn.metrics import accuracy_score
from sklearn.naive_bayes import GaussianNB

from mlr_jax.classical import naive_bayes
from mlr_jax.data.tabular import load_tabular, whole
from mlr_jax.experiment.folded import (
    FoldSettings,
    beside_peer,
    by_setting,
    error,
    fewer_rows,
    folds_of,
    image_rows,
    peer_scores,
    rows_of_fold,
)
from mlr_jax.tune.cross_validation import cross_validate

X, Y = whole(load_tabular("iris"))
SETTINGS = FoldSettings(seeds=2, folds=3, seed=5)


def test_every_row_is_tested_once_for_each_seed():
    folds, members = folds_of(SETTINGS, Y)
    assert members == [{"seed": seed, "fold": fold} for seed in (5, 6) for fold in range(3)]
    for start in (0, 3):
        tested = np.concatenate([rows_of_fold(folds, fold)[1] for fold in range(start, start + 3)])
        np.testing.assert_array_equal(np.sort(tested), np.arange(150))
    for fold in range(6):
        fitted, tested = rows_of_fold(folds, fold)
        assert not set(fitted) & set(tested)
        assert len(fitted) + len(tested) == 150
        assert np.bincount(Y[tested]).min() >= 16
    assert (folds.train[0] != folds.train[3]).any()


def test_numbers_are_not_stratified():
    folds, members = folds_of(replace(SETTINGS, seeds=1, folds=7), np.arange(20.0))
    assert len(members) == 7
    assert {int((test >= 0).sum()) for test in folds.test} == {2, 3}


@pytest.mark.parametrize("count", [1, 51])
def test_more_folds_than_rows_of_a_class_are_refused(count):
    with pytest.raises(
        ValueError, match=rf"^--folds: got {count}, allowed are 2 to 50, the rows of the smallest class$"
    ):
        folds_of(replace(SETTINGS, folds=count), Y)


def test_ours_and_scikit_learns_errors_are_of_the_same_folds():
    folds, _ = folds_of(replace(SETTINGS, seeds=1), Y)
    estimator = naive_bayes.naive_bayes(naive_bayes.gaussian, num_classes=3)
    scores = cross_validate(estimator, naive_bayes.GaussianHypers(), folds, X, Y, metrics={"error": error})
    ours = by_setting(scores.test, "error")
    assert ours.shape == (1, 3)
    theirs = peer_scores(GaussianNB, folds, X, Y)
    np.testing.assert_allclose(ours[0], theirs, atol=1e-6)
    np.testing.assert_allclose(peer_scores(GaussianNB, folds, X, Y, accuracy_score), 1 - theirs)
    [row] = beside_peer({"test_error": ours[0], "test_error_scikit_learn": theirs}, ["test_error"])
    assert row[0] == "test error"
    assert row[1]["mean"] == pytest.approx(row[2]["mean"])
    assert row[3]["members"] == [0, 0, 0]


def test_the_mean_over_keys_is_taken():
    scores = {"error": jax.numpy.arange(12.0).reshape(2, 3, 2)}
    np.testing.assert_array_equal(by_setting(scores, "error"), [[0.5, 6.5], [2.5, 8.5], [4.5, 10.5]])


def test_fewer_rows_are_parts_of_each_other():
    folds, _ = folds_of(SETTINGS, Y)
    sizes, fewer = fewer_rows(folds, 5, 4)
    assert (sizes[0], sizes[-1]) == (5, 100)
    for size, part, larger in zip(sizes, fewer, [*fewer[1:], folds], strict=True):
        assert (part.train.sum(1) == size).all()
        assert (part.train <= larger.train).all()
        np.testing.assert_array_equal(part.test, folds.test)


def test_images_become_rows_with_the_shares_of_their_classes():
    images = image_rows("digits", 300)
    assert images.x.shape == (300, 64)
    assert images.shape == (8, 8, 1)
    assert abs(np.bincount(images.y) - 30).max() <= 2
    assert len(image_rows("digits", 10**6).y) == 1797
    with pytest.raises(ValueError, match=r"^--data: spec must be digits"):
        image_rows("digit", 300)
