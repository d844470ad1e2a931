"""scikit-learn's bundled tables as arrays with names and fixed splits."""

from typing import NamedTuple

import numpy as np

from mlr_jax.data.arrays import Arrays, stratified_split

CLASSIFICATION = ("iris", "wine", "breast_cancer", "digits")
REGRESSION = ("diabetes",)
TEST_PART = 0.25
_SPLIT_SEED = 0


class Tabular(NamedTuple):
    """A table: `x` float32 [N, D] in its own units, and `y`.

    Of a classification set `y` is int32 [N], an index into `class_names`; of a regression set it is float32 [N] and
    `class_names` is empty.
    """

    train: Arrays
    test: Arrays
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]


def load_tabular(name: str) -> Tabular:
    """`iris`, `wine`, `breast_cancer`, `digits` (classes) or `diabetes` (a number), a quarter of the rows for testing.

    The split is always the same, and stratified where there are classes. Raises ValueError for another name.
    """
    if name not in CLASSIFICATION + REGRESSION:
        raise ValueError(f"got {name!r}, allowed are {', '.join(CLASSIFICATION + REGRESSION)}")
    x, y, feature_names, class_names = _load(name)
    x, y = x.astype(np.float32), y.astype(np.int32 if class_names else np.float32)
    strata = y if class_names else np.zeros(len(y), int)
    kept, held_out = stratified_split(strata, TEST_PART, seed=_SPLIT_SEED)
    train, test = ({"x": x[rows], "y": y[rows]} for rows in (kept, held_out))
    return Tabular(train, test, feature_names, class_names)


def whole(table: Tabular) -> tuple[np.ndarray, np.ndarray]:
    """x and y of all rows, training rows first: for cross-validation."""
    x, y = (np.concatenate([table.train[name], table.test[name]]) for name in ("x", "y"))
    return x, y


def standardise(train: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
    """Columns of `train` [N, D] to mean 0 and standard deviation 1, and those of the others by the same numbers.

    A column that is constant in `train` becomes 0 there.
    """
    mean, scale = train.mean(0), train.std(0)
    safe = np.where(scale > 0, scale, 1)
    return tuple((part - mean) / safe for part in (train, *others))


def _load(name: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], tuple[str, ...]]:
    from sklearn import datasets

    keywords = {"scaled": False} if name == "diabetes" else {}
    found = getattr(datasets, f"load_{name}")(**keywords)
    class_names = tuple(map(str, found.target_names)) if name in CLASSIFICATION else ()
    return found.data, found.target, tuple(map(str, found.feature_names)), class_names
