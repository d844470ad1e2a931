import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import model_selection as sk

from mlr_jax.tune import folds as ours

N = 43
RNG = np.random.default_rng(0)
LABELS = RNG.choice(["b", "a", "c"], N, p=[0.5, 0.3, 0.2])
GROUPS = RNG.integers(0, 12, N)
PARTITIONS = {
    "k_fold": lambda seed: ours.k_fold(N, 5, seed),
    "stratified": lambda seed: ours.stratified(LABELS, 5, seed),
    "grouped": lambda seed: ours.grouped(GROUPS, 5, seed),
    "stratified_grouped": lambda seed: ours.stratified_grouped(LABELS, GROUPS, 5, seed),
}


def assert_equal_folds(folds, splits):
    splits = list(splits)
    assert len(folds.train) == len(folds.test) == len(splits)
    for train, test, (fitted, tested) in zip(folds.train, folds.test, splits, strict=True):
        np.testing.assert_array_equal(np.flatnonzero(train), fitted)
        np.testing.assert_array_equal(test[test >= 0], tested)


@pytest.mark.parametrize(
    ("fold_of_row", "splitter"),
    [
        (ours.k_fold(N, 5), sk.KFold(5)),
        (ours.k_fold(N, N), sk.LeaveOneOut()),
        (ours.stratified(LABELS, 5), sk.StratifiedKFold(5)),
        (ours.grouped(GROUPS, 5), sk.GroupKFold(5)),
        (ours.stratified_grouped(LABELS, GROUPS, 3), sk.StratifiedGroupKFold(3)),
        (ours.leave_one_group_out(GROUPS), sk.LeaveOneGroupOut()),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
def test_without_a_seed_folds_are_those_of_scikit_learn(fold_of_row, splitter):
    assert fold_of_row.dtype == np.int32
    assert_equal_folds(ours.partition(fold_of_row), splitter.split(np.zeros(N), LABELS, GROUPS))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
def test_small_sets_with_many_ties_too(seed):
    rng = np.random.default_rng(seed)
    labels, groups, alone = rng.permutation(np.repeat([0, 1, 2], [8, 11, 13])), rng.integers(0, 9, 32), np.arange(32)
    for fold_of_row, splitter, names in [
        (ours.stratified(labels, 3), sk.StratifiedKFold(3), groups),
        (ours.grouped(groups, 3), sk.GroupKFold(3), groups),
        (ours.stratified_grouped(labels, groups, 3), sk.StratifiedGroupKFold(3), groups),
        (ours.stratified_grouped(labels, alone, 3), sk.StratifiedGroupKFold(3), alone),
    ]:
        assert_equal_folds(ours.partition(fold_of_row), splitter.split(np.zeros(32), labels, names))


@pytest.mark.parametrize(
    "options",
    [{}, {"gap": 2}, {"test_size": 4}, {"max_train_size": 9}, {"gap": 1, "test_size": 3, "max_train_size": 5}],
)
def test_time_series_as_in_scikit_learn(options):
    splits = sk.TimeSeriesSplit(5, **options).split(np.zeros(N))
    assert_equal_folds(ours.time_series(N, 5, **options), splits)


def test_any_splitter_of_scikit_learn_can_be_taken():
    splitter = sk.ShuffleSplit(3, test_size=7, train_size=20, random_state=0)
    splits = list(splitter.split(np.zeros(N)))
    folds = ours.from_indices(N, splits)
    for train, test, (fitted, tested) in zip(folds.train, folds.test, splits, strict=True):
        np.testing.assert_array_equal(np.flatnonzero(train), np.sort(fitted))
        np.testing.assert_array_equal(test, tested)


@pytest.mark.parametrize("name", PARTITIONS)
def test_a_seed_gives_another_partition_and_always_the_same(name):
    make = PARTITIONS[name]
    np.testing.assert_array_equal(make(1), make(1))
    assert any(not np.array_equal(make(1), make(seed)) for seed in (None, 2, 3, 4))
    assert set(make(1)) == set(range(5))


@settings(deadline=None)
@given(st.integers(2, 30), st.integers(2, 30), st.integers(0, 5))
def test_sizes_are_within_one(num_rows, k, seed):
    if k <= num_rows:
        sizes = np.bincount(ours.k_fold(num_rows, k, seed), minlength=k)
        assert sizes.max() - sizes.min() <= 1


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=8, max_size=40), st.integers(2, 4), st.sampled_from([None, 0, 1]))
@pytest.mark.filterwarnings("ignore:k. got")
def test_counts_of_each_class_are_within_one(labels, k, seed):
    labels = np.array(labels)
    if np.bincount(labels).max() < k:
        return
    fold_of_row = ours.stratified(labels, k, seed)
    for chosen in [labels == label for label in set(labels)] + [np.ones(len(labels), bool)]:
        counts = np.bincount(fold_of_row[chosen], minlength=k)
        assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_groups_are_never_split(seed):
    for fold_of_row in (ours.grouped(GROUPS, 5, seed), ours.stratified_grouped(LABELS, GROUPS, 5, seed)):
        for group in set(GROUPS):
            assert len(set(fold_of_row[group == GROUPS])) == 1


def test_stratified_groups_share_out_the_classes():
    labels, groups = (
        np.repeat([0, 1], 60),
        np.concatenate([np.repeat(np.arange(12), 5), np.repeat(np.arange(12, 24), 5)]),
    )
    fold_of_row = ours.stratified_grouped(labels, groups, 4, seed=0)
    for label in (0, 1):
        np.testing.assert_array_equal(np.bincount(fold_of_row[labels == label]), [15] * 4)


def test_repetitions_follow_one_another():
    folds = ours.repeated(lambda seed: ours.k_fold(11, 3, seed), [4, 9])
    alone = [ours.partition(ours.k_fold(11, 3, seed)) for seed in (4, 9)]
    np.testing.assert_array_equal(folds.train, np.concatenate([part.train for part in alone]))
    np.testing.assert_array_equal(folds.test, np.concatenate([part.test for part in alone]))


def test_nested_folds_divide_the_fitted_rows():
    outer = ours.partition(ours.k_fold(N, 4, 0))
    inner = ours.nested(outer, lambda rows: ours.stratified(LABELS[rows], 3, 1))
    assert inner.train.shape == (4, 3, N)
    assert inner.test.shape[:2] == (4, 3)
    for fitted, train, test in zip(outer.train, inner.train, inner.test, strict=True):
        assert not np.any(train & ~fitted[None])
        np.testing.assert_array_equal(np.sort(test[test >= 0]), np.flatnonzero(fitted))
        for fold in range(3):
            np.testing.assert_array_equal(np.flatnonzero(fitted & ~train[fold]), test[fold][test[fold] >= 0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ours.k_fold(5, 1), "k: got 1, allowed are 2 to the 5 rows"),
        (lambda: ours.k_fold(5, 6), "k: got 6, allowed are 2 to the 5 rows"),
        (lambda: ours.stratified([0, 0, 1], 3), "k: got 3, allowed are 2 to the 2 rows of the largest class"),
        (lambda: ours.grouped([0, 0, 1], 3), "k: got 3, allowed are 2 to the 2 groups"),
        (lambda: ours.leave_one_group_out([0, 0]), "k: got 1"),
        (lambda: ours.time_series(6, 5, gap=1), "5 tests of 1 after a gap of 1 leave none of 6 rows to fit"),
        (lambda: ours.time_series(6, 1), "k: got 1, allowed are 2 to"),
        (lambda: ours.partition(np.array([0, 2])), "fold_of_row: got the numbers"),
        (lambda: ours.partition(np.array([0, 0])), "fold_of_row: got the numbers"),
    ],
)
def test_errors_are_one_line(make, message):
    with pytest.raises(ValueError, match=message) as error:
        make()
    assert "\n" not in str(error.value)


def test_a_class_with_few_rows_is_warned_of():
    with pytest.warns(UserWarning, match="k: got 3, the smallest class has fewer rows: 1"):
        ours.stratified([0, 0, 0, 1], 3)
