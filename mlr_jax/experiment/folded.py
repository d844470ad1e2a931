"""What studies by cross-validation share: their flags, folds that are members of the study, images as rows, peers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from mlr_jax.data.arrays import stratified_split
from mlr_jax.data.images import load_images
from mlr_jax.experiment.image_classifier import naming
from mlr_jax.experiment.study import StudySettings
from mlr_jax.ops.metrics.classification import accuracy
from mlr_jax.report.statistics import interval
from mlr_jax.tune.folds import Folds, repeated, stratified
from mlr_jax.tune.layout import Layout

ONE_BY_ONE = Layout(folds_at_once=1)
"""Folds one after another inside the program: on a CPU as fast as side by side, with the memory of one."""


@dataclass(frozen=True)
class FoldSettings(StudySettings):
    """Flags of a study that is cross-validated: its members are the folds."""

    seeds: int = 1
    """How often to cross-validate, with the seeds seed, seed + 1, ..."""
    folds: int = 5
    """Parts that take turns as the test set: intervals are over them."""


class Images(NamedTuple):
    """Images as rows: x [N, D] pixels in [0, 1], y [N], K class names, and the shape that a row had."""

    x: np.ndarray
    y: np.ndarray
    class_names: tuple[str, ...]
    shape: tuple[int, ...]


def image_rows(spec: str, rows: int) -> Images:
    """All images of a set, or `rows` of them with the shares that classes have in it.

    Raises ValueError, naming --data, for a set that is not there.
    """
    dataset = naming("--data", load_images, spec)
    images, y = (np.concatenate([dataset.train[name], dataset.test[name]]) for name in ("x", "y"))
    if rows < len(y):
        _, chosen = stratified_split(y, rows, seed=0)
        images, y = images[chosen], y[chosen]
    return Images(images.reshape(len(images), -1), y, dataset.class_names, images.shape[1:])


def folds_of(settings: FoldSettings, y: np.ndarray) -> tuple[Folds, list[dict[str, Any]]]:
    """Stratified folds for each seed, and a member for each of them: classes where y is an integer, else plain folds.

    Raises ValueError, naming --folds, for more folds than the smallest class has rows.
    """
    is_class = np.issubdtype(y.dtype, np.integer)
    labels = y if is_class else np.zeros(len(y), int)
    fewest = int(np.unique(labels, return_counts=True)[1].min())
    if not 2 <= settings.folds <= fewest:
        raise ValueError(f"--folds: got {settings.folds}, allowed are 2 to {fewest}, the rows of the smallest class")
    seeds = range(settings.seed, settings.seed + settings.seeds)
    folds = repeated(lambda seed: stratified(labels, settings.folds, seed), seeds)
    return folds, [{"seed": seed, "fold": fold} for seed in seeds for fold in range(settings.folds)]


def rows_of_fold(folds: Folds, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the rows that a fold fits, and of those that it tests."""
    test = folds.test[fold]
    return np.flatnonzero(folds.train[fold]), test[test >= 0]


def fewer_rows(folds: Folds, least: int, count: int) -> tuple[np.ndarray, list[Folds]]:
    """`count` sizes of the training set, spaced by ratio, and for each the folds with so many random rows of theirs."""
    sizes = np.unique(np.geomspace(least, int(folds.train.sum(1).min()), count).astype(int))
    chance = np.where(folds.train, np.random.default_rng(0).random(folds.train.shape), 2.0)
    rank = chance.argsort(1).argsort(1)
    return sizes, [folds._replace(train=folds.train & (rank < size)) for size in sizes]


def error(y: jax.Array, prediction: jax.Array, weight: jax.Array) -> jax.Array:
    """The share of rows whose class has not the greatest score."""
    return 1 - accuracy(y, prediction, weight)


def by_setting(scores: Mapping[str, Any], name: str) -> np.ndarray:
    """One metric of `cross_validate` by setting and fold, the mean over keys: [M, F]."""
    return np.asarray(scores[name], np.float64).mean(-1).T


def wrong_share(y: np.ndarray, predicted: np.ndarray) -> float:
    """The same of predicted classes."""
    return float(np.mean(y != predicted))


def peer_scores(
    make: Callable[[], Any],
    folds: Folds,
    x: np.ndarray,
    y: np.ndarray,
    metric: Callable[[np.ndarray, np.ndarray], float] = wrong_share,
) -> np.ndarray:
    """metric(y, predicted) of scikit-learn's estimator `make()` on each fold: [F]."""
    scores = []
    for fold in range(len(folds.train)):
        fitted, tested = rows_of_fold(folds, fold)
        scores.append(metric(y[tested], make().fit(x[fitted], y[fitted]).predict(x[tested])))
    return np.array(scores)


def beside_peer(metrics: dict[str, np.ndarray], names: Sequence[str]) -> list[tuple[Any, ...]]:
    """Rows of a table: metric, ours, scikit-learn's, and the difference over members, which are paired.

    Ours is in single precision, theirs in double: what differs by no more than that is equal.
    """
    rows = []
    for name in names:
        ours, theirs = metrics[name], metrics[f"{name}_scikit_learn"]
        difference = np.where(np.isclose(ours, theirs, rtol=1e-6, atol=1e-6), 0, ours - theirs)
        rows.append((name.replace("_", " "), interval(ours), interval(theirs), interval(difference)))
    return rows


BESIDE_PEER = ("", "ours", "scikit-learn", "difference")
"""Its columns."""
