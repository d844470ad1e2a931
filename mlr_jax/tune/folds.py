"""Which rows are fitted and which are scored, fold by fold: made once on the host, from labels and groups.

A partition gives every row the number of the fold that it is tested in, int32 [N]; `partition` makes folds of it. What
is no partition (a time series, repetitions) makes folds directly. Without a seed rows keep their order, and then folds
are those of scikit-learn's splitter of the same kind.
"""

import warnings
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np


class Folds(NamedTuple):
    """F ways to divide N rows.

    train: bool [F, N], whether a row is fitted: a weight, so that all folds share one x and one shape
    test:  int32 [F, T], the numbers of the rows that are scored, shorter folds filled up with -1: no row is predicted
           in a fold where it is not scored
    """

    train: np.ndarray
    test: np.ndarray


def partition(fold_of_row: np.ndarray) -> Folds:
    """Each fold tests its own rows and fits all the others; a row whose number is -1 takes no part.

    Raises ValueError unless the numbers are 0 to F - 1 with F at least 2, each taken by some row.
    """
    fold_of_row = np.asarray(fold_of_row)
    present = np.unique(fold_of_row[fold_of_row >= 0])
    if len(present) < 2 or present[-1] != len(present) - 1:
        raise ValueError(f"fold_of_row: got the numbers {present}, wanted 0 to F - 1 without gaps, F at least 2")
    tests = [fold_of_row == fold for fold in present]
    return Folds(np.stack([(fold_of_row >= 0) & ~test for test in tests]), _rows_of(tests))


def from_indices(num_rows: int, splits: Iterable[tuple[np.ndarray, np.ndarray]]) -> Folds:
    """Folds from (rows to fit, rows to test) pairs, as scikit-learn's splitters yield them."""
    pairs = list(splits)
    train = np.zeros((len(pairs), num_rows), bool)
    for fold, (rows, _) in enumerate(pairs):
        train[fold, rows] = True
    return Folds(train, _filled([np.asarray(test) for _, test in pairs]))


def k_fold(num_rows: int, k: int, seed: int | None = None) -> np.ndarray:
    """Folds of sizes within one of each other: blocks of neighbouring rows, or with a seed random rows; [N].

    Raises ValueError for k outside 2 to `num_rows`.
    """
    _check_k(k, num_rows, "rows")
    fold_of_place = np.sort(np.arange(num_rows) % k).astype(np.int32)
    return fold_of_place if seed is None else np.random.default_rng(seed).permutation(fold_of_place)


def stratified(labels: np.ndarray, k: int, seed: int | None = None) -> np.ndarray:
    """Folds with as many rows of each class as of each other fold, within one, and of sizes within one; [N].

    Rows in the order of their classes are dealt to the folds in turn, which settles how many of a class each fold gets;
    a class's rows fill the folds in their own order, or with a seed in a random one. Raises ValueError for k < 2 and
    for a k that no class has rows enough for; warns where some class has fewer than k.
    """
    classes = _by_appearance(labels)
    counts = np.bincount(classes)
    _check_classes(k, counts)
    dealt = np.arange(len(classes)) % k
    fold_of_row = np.empty(len(classes), np.int32)
    ends = np.cumsum(counts)
    random = None if seed is None else np.random.default_rng(seed)
    for label, (start, end) in enumerate(zip(ends - counts, ends, strict=True)):
        folds = np.sort(dealt[start:end])
        fold_of_row[classes == label] = folds if random is None else random.permutation(folds)
    return fold_of_row


def grouped(groups: np.ndarray, k: int, seed: int | None = None) -> np.ndarray:
    """Folds that split no group: the largest group left goes to the fold with the fewest rows; [N].

    With a seed, groups are dealt at random, so many to each fold. Raises ValueError for k outside 2 to the number
    of groups.
    """
    _, group_of_row, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    _check_k(k, len(sizes), "groups")
    fold_of_group = np.empty(len(sizes), np.int32)
    if seed is not None:
        fold_of_group[np.random.default_rng(seed).permutation(len(sizes))] = k_fold(len(sizes), k)
        return fold_of_group[group_of_row]
    rows = np.zeros(k, int)
    for group in np.argsort(sizes, kind="stable")[::-1]:
        fold = np.argmin(rows)
        fold_of_group[group] = fold
        rows[fold] += sizes[group]
    return fold_of_group[group_of_row]


def stratified_grouped(labels: np.ndarray, groups: np.ndarray, k: int, seed: int | None = None) -> np.ndarray:
    """Folds that split no group and share out the classes as evenly as a greedy choice can; [N].

    Groups whose classes are least even choose first; each goes where it leaves the shares of the classes most alike
    over the folds, and of equal folds to that with the fewest rows. A seed puts equal groups in a random order. Raises
    and warns as `stratified` and `grouped` do.
    """
    num_rows = len(labels)
    _, class_of_row = np.unique(labels, return_inverse=True)
    _, group_of_row = np.unique(groups, return_inverse=True)
    num_groups, num_classes = group_of_row.max() + 1, class_of_row.max() + 1
    _check_classes(k, np.bincount(class_of_row))
    _check_k(k, num_groups, "groups")
    order = np.arange(num_groups) if seed is None else np.random.default_rng(seed).permutation(num_groups)
    counts = np.zeros((num_groups, num_classes))
    np.add.at(counts, (group_of_row, class_of_row), np.ones(num_rows))
    in_fold = np.zeros((k, num_classes))
    fold_of_group = np.empty(num_groups, np.int32)
    for group in order[np.argsort(-np.std(counts[order], axis=1), kind="stable")]:
        fold = _most_even(in_fold, counts[group], counts.sum(axis=0))
        in_fold[fold] += counts[group]
        fold_of_group[group] = fold
    return fold_of_group[group_of_row]


def leave_one_group_out(groups: np.ndarray) -> np.ndarray:
    """A fold for each group, in the order of their names; [N]. Raises ValueError for fewer than two groups."""
    names, fold_of_row = np.unique(groups, return_inverse=True)
    _check_k(len(names), len(names), "groups")
    return fold_of_row.astype(np.int32)


def time_series(
    num_rows: int, k: int, *, gap: int = 0, max_train_size: int | None = None, test_size: int | None = None
) -> Folds:
    """The past is fitted and the next `test_size` rows are tested, k times, the last test being the last rows.

    test_size: num_rows // (k + 1) unless given. gap: rows left out between the two. max_train_size: the last so many
    rows of the past. Raises ValueError where the first fold has nothing to fit, and for k < 2.
    """
    _check_k(k, num_rows - 1, "rows but one")
    test_size = num_rows // (k + 1) if test_size is None else test_size
    starts = num_rows - test_size * np.arange(k, 0, -1)
    if starts[0] - gap <= 0:
        raise ValueError(
            f"time_series: {k} tests of {test_size} after a gap of {gap} leave none of {num_rows} rows to fit"
        )
    rows, ends = np.arange(num_rows)[None], (starts - gap)[:, None]
    train = (rows < ends) & (rows >= ends - (max_train_size or num_rows))
    return Folds(train, (starts[:, None] + np.arange(test_size)[None]).astype(np.int32))


def repeated(make: Callable[[int], np.ndarray], seeds: Iterable[int]) -> Folds:
    """The partitions of several seeds one after another: `repeated(lambda seed: stratified(y, 5, seed), range(10))`."""
    every = [partition(make(seed)) for seed in seeds]
    tests = [test[test >= 0] for folds in every for test in folds.test]
    return Folds(np.concatenate([folds.train for folds in every]), _filled(tests))


def nested(outer: Folds, make: Callable[[np.ndarray], np.ndarray]) -> Folds:
    """For each outer fold, inner folds of the rows that it fits: leaves [O, F, ...].

    make: the numbers of the n rows to divide -> the fold of each, [n]; such as `lambda rows: stratified(y[rows], 5)`.
    """
    inner = []
    for fitted in outer.train:
        fold_of_row = np.full(fitted.shape, -1, np.int32)
        fold_of_row[fitted] = make(np.flatnonzero(fitted))
        inner.append(partition(fold_of_row))
    tests = _filled([test[test >= 0] for folds in inner for test in folds.test])
    train = np.stack([folds.train for folds in inner])
    return Folds(train, tests.reshape(*train.shape[:2], -1))


def _rows_of(masks: list[np.ndarray]) -> np.ndarray:
    return _filled([np.flatnonzero(mask) for mask in masks])


def _filled(rows: list[np.ndarray]) -> np.ndarray:
    """Lists of rows as one array, shorter ones filled up with -1: int32 [F, T]."""
    filled = np.full((len(rows), max(map(len, rows))), -1, np.int32)
    for fold, numbers in enumerate(rows):
        filled[fold, : len(numbers)] = numbers
    return filled


def _by_appearance(labels: np.ndarray) -> np.ndarray:
    """Labels as numbers in the order in which they first appear: [N] -> int [N]."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def _most_even(in_fold: np.ndarray, counts: np.ndarray, totals: np.ndarray) -> int:
    """The fold [k, K] that counts [K] of each class leave the shares of the classes most alike over the folds."""
    candidates = in_fold[None] + np.eye(len(in_fold))[:, :, None] * counts[None, None]
    unevenness = np.std(candidates / totals[None, None], axis=1).mean(axis=1)
    rows = in_fold.sum(axis=1)
    best = 0
    for fold in range(1, len(in_fold)):
        equal = np.isclose(unevenness[fold], unevenness[best]) and rows[fold] < rows[best]
        if unevenness[fold] < unevenness[best] or equal:
            best = fold
    return best


def _check_k(k: int, most: int, what: str) -> None:
    if not 2 <= k <= most:
        raise ValueError(f"k: got {k}, allowed are 2 to the {most} {what}")


def _check_classes(k: int, counts: np.ndarray) -> None:
    _check_k(k, int(counts.max()), "rows of the largest class")
    if k > counts.min():
        warnings.warn(f"k: got {k}, the smallest class has fewer rows: {counts.min()}", stacklevel=3)
