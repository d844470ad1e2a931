"""What every scikit-learn shaped class shares: validation by scikit-learn, computation by a compiled pure function.

scikit-learn's own helpers check the input, so that errors read as its users know them. The dtype of X decides the
precision: float32 stays float32, everything else is computed in float64, as scikit-learn does.

A program is compiled for each shape. So that cross-validation, whose folds differ by a row, does not compile again
for each of them, rows are padded up to the next of a few lengths with rows of weight 0, which are not there.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from mlr_jax.core.types import Hypers

FEW = (64, 256)
"""Lengths of few rows, where computing costs nothing beside compiling."""


def padded_length(rows: int) -> int:
    """The next of the lengths of few rows; then the least m 2^e >= rows with 8 <= m <= 16, an eighth more at most."""
    for length in FEW:
        if rows <= length:
            return length
    step = 1 << ((rows - 1).bit_length() - 4)
    return -(-rows // step) * step


def pad(array: np.ndarray, rows: int) -> np.ndarray:
    """The array with rows of zeros up to `rows`."""
    missing = rows - len(array)
    return np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1)) if missing else array


@cache
def compiled(function: Callable[..., Any], **static: Any) -> Callable[..., Any]:
    """The function with its static keywords bound, compiled; one and the same for the same arguments."""
    return jax.jit(partial(function, **static))


class Face(BaseEstimator):
    """A scikit-learn shaped class over pure functions.

    A subclass checks its parameters and calls `_fit_model`, which leaves the fitted pytree of numpy arrays in `model_`;
    prediction goes through `_apply`. Instances hold numpy arrays and plain numbers alone, so they pickle, clone and
    travel to other processes.
    """

    def _check(self, X: Any, y: Any = "no_validation", *, reset: bool = True, **keywords: Any) -> Any:
        options = {"dtype": (np.float64, np.float32), "order": "C"} | keywords
        return validate_data(self, X, y, reset=reset, **options)

    def _fit_model(
        self, fit: Callable[..., Any], hypers: Hypers, X: np.ndarray, weight: Any, *, y: np.ndarray | None = None,
        keyed: bool = False, **static: Any,
    ) -> Any:  # fmt: skip
        """Fit on padded rows: `fit(hypers, x, weight, **static)`, with y before the weight where there is one."""
        weight = _check_sample_weight(weight, X, dtype=X.dtype, ensure_non_negative=True)
        rows = padded_length(len(X))
        arrays = [pad(array, rows) for array in (X, y, weight) if array is not None]
        keywords = {"key": self._key()} if keyed else {}
        with jax.enable_x64(X.dtype == np.float64):
            model = compiled(fit, **static)(_as_numbers(hypers, X.dtype), *arrays, **keywords)
            self.model_ = jax.device_get(model)
        return self.model_

    def _apply(self, function: Callable[..., Any], X: Any, *extra: Any, check: bool = True, **static: Any) -> Any:
        """`function(model, x, *extra, **static)` on padded rows, as numpy arrays of as many rows as X has."""
        check_is_fitted(self)
        X = self._check(X, reset=False) if check else X
        with jax.enable_x64(X.dtype == np.float64):
            result = compiled(function, **static)(self.model_, pad(X, padded_length(len(X))), *extra)
            return jax.tree.map(lambda leaf: np.asarray(leaf)[: len(X)], result)

    def _key(self) -> jax.Array:
        """The key that `random_state` names: an integer always gives the same one."""
        generator = check_random_state(getattr(self, "random_state", None))
        return jax.random.key(int(generator.randint(np.iinfo(np.int32).max)))

    def _require(self, name: str, *, least: float = -np.inf, above: float = -np.inf, most: float = np.inf) -> None:
        """Raises ValueError unless the parameter is a number, least <= number <= most and number > above."""
        value = getattr(self, name)
        is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        if not is_number or not (least <= value <= most and value > above):
            bounds = [f"at least {least}" if least > -np.inf else "", f"more than {above}" if above > -np.inf else ""]
            bounds += [f"at most {most}" if most < np.inf else ""]
            raise ValueError(f"{name}: got {value!r}, allowed is a number {' and '.join(filter(None, bounds))}")

    def _require_count(self, name: str, least: int = 1, most: float = np.inf) -> None:
        """Raises ValueError unless the parameter is a whole number, least <= number <= most."""
        value = getattr(self, name)
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or not least <= value <= most:
            limit = f" and at most {most:.0f}" if most < np.inf else ""
            raise ValueError(f"{name}: got {value!r}, allowed is a whole number of at least {least}{limit}")

    def _require_one_of(self, name: str, *allowed: Any) -> None:
        """Raises ValueError unless the parameter is one of these."""
        value = getattr(self, name)
        if not any(value is choice or (isinstance(value, str) and value == choice) for choice in allowed):
            raise ValueError(f"{name}: got {value!r}, allowed are {', '.join(map(repr, allowed))}")


class Regressor(RegressorMixin, Face):
    """A face with values to predict."""

    def _check_xy(self, X: Any, y: Any, **keywords: Any) -> tuple[np.ndarray, np.ndarray]:
        X, y = self._check(X, y, y_numeric=True, **keywords)
        y = column_or_1d(y, warn=True) if not keywords.get("multi_output") else y
        return X, y.astype(X.dtype, copy=False)


class Classifier(ClassifierMixin, Face):
    """A face with classes to predict: `classes_` in order, labels as their index."""

    least_classes = 1
    """The fewest classes that the algorithm can tell apart."""

    def _check_xy(self, X: Any, y: Any, sample_weight: Any = None, **keywords: Any) -> tuple[np.ndarray, np.ndarray]:
        X, y = self._check(X, y, **keywords)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        present = labels if sample_weight is None else labels[_present(sample_weight, X)]
        if len(np.unique(present)) < self.least_classes:
            raise ValueError(
                f"y: {type(self).__name__} needs samples of at least {self.least_classes} classes, got "
                f"{len(np.unique(present))} class"
            )
        return X, labels.astype(np.int32)

    def _named(self, scores: np.ndarray) -> np.ndarray:
        return self.classes_[np.argmax(scores, axis=1)]


def _present(sample_weight: Any, X: np.ndarray) -> np.ndarray:
    return _check_sample_weight(sample_weight, X, dtype=X.dtype) > 0


def _as_numbers(hypers: Hypers, dtype: Any) -> Hypers:
    """Every hyper-parameter as an array of one dtype, so that 1 and 1.0 are the same program."""
    defaults = type(hypers)()
    return type(hypers)(
        *(
            np.asarray(value, np.int32 if isinstance(default, int) else dtype)
            for value, default in zip(hypers, defaults, strict=True)
        )
    )
