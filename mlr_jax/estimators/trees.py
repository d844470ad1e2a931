"""Decision trees with scikit-learn's interface. NaN in X is a missing value."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from mlr_jax.classical import tree
from mlr_jax.classical.tree_criteria import entropy, gini, squared_error
from mlr_jax.classical.tree_structure import apply, importances
from mlr_jax.estimators.base import Classifier, Face, Regressor, compiled

IMPURITIES = {"gini": gini, "entropy": entropy, "squared_error": squared_error}
DEEPEST, MOST_BINS = 20, 255


class Branching(Face):
    """What trees and their ensembles share: missing values, and the limits of a tree."""

    max_depth: int
    max_bins: int

    def __sklearn_tags__(self) -> Any:
        """NaN is welcome."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _check(self, X: Any, y: Any = "no_validation", *, reset: bool = True, **keywords: Any) -> Any:
        return super()._check(X, y, reset=reset, **{"ensure_all_finite": "allow-nan"} | keywords)

    def _tree_settings(self) -> dict[str, Any]:
        self._require_count("max_depth", most=DEEPEST)
        self._require_count("max_bins", least=2, most=MOST_BINS)
        return {"max_depth": self.max_depth, "max_bins": self.max_bins}


class _Tree(Branching):
    criterion: str
    min_samples_leaf: float
    min_impurity_decrease: float

    def _fit_tree(self, X: np.ndarray, y: np.ndarray, sample_weight: Any, *, num_classes: int | None) -> None:
        self._require_one_of("criterion", *(("squared_error",) if num_classes is None else ("gini", "entropy")))
        self._require("min_samples_leaf", above=0)
        self._require("min_impurity_decrease", least=0)
        self._fit_model(
            tree.fit, tree.Hypers(self.min_samples_leaf, self.min_impurity_decrease), X, sample_weight,
            y=y, num_classes=num_classes, impurity=IMPURITIES[self.criterion], **self._tree_settings(),
        )  # fmt: skip

    @property
    def feature_importances_(self) -> np.ndarray:
        """The share of each feature in the decrease of the impurity [D]."""
        check_is_fitted(self)
        return np.asarray(compiled(importances, num_features=self.n_features_in_)(self.model_))

    def apply(self, X: Any) -> np.ndarray:
        """The node at which each row stops [N]: the root is 0, the children of i are 2 i + 1 and 2 i + 2."""
        return self._apply(apply, X)


class DecisionTreeClassifier(_Tree, Classifier):
    """A classification tree (`classical/tree.py`)."""

    def __init__(
        self,
        *,
        criterion: str = "gini",
        max_depth: int = 6,
        max_bins: int = 255,
        min_samples_leaf: float = 1,
        min_impurity_decrease: float = 0.0,
    ) -> None:
        """criterion: "gini" or "entropy". max_bins: thresholds that are tried for a feature, and one more.

        min_samples_leaf: the least weight of a leaf. Fitted: feature_importances_ [D].
        """
        self.criterion = criterion
        self.max_depth = max_depth
        self.max_bins = max_bins
        self.min_samples_leaf = min_samples_leaf
        self.min_impurity_decrease = min_impurity_decrease

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "DecisionTreeClassifier":
        """Grow the tree."""
        X, y = self._check_xy(X, y, sample_weight)
        self._fit_tree(X, y, sample_weight, num_classes=len(self.classes_))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """The share of each class where a row stops [N, K]."""
        return self._apply(tree.predict, X)

    def predict(self, X: Any) -> np.ndarray:
        """The class with the greatest share [N]."""
        return self._named(self.predict_proba(X))


class DecisionTreeRegressor(_Tree, Regressor):
    """A regression tree (`classical/tree.py`)."""

    def __init__(
        self,
        *,
        criterion: str = "squared_error",
        max_depth: int = 6,
        max_bins: int = 255,
        min_samples_leaf: float = 1,
        min_impurity_decrease: float = 0.0,
    ) -> None:
        """max_bins: thresholds tried for a feature, and one more. min_samples_leaf: the least weight of a leaf.

        Fitted: feature_importances_ [D].
        """
        self.criterion = criterion
        self.max_depth = max_depth
        self.max_bins = max_bins
        self.min_samples_leaf = min_samples_leaf
        self.min_impurity_decrease = min_impurity_decrease

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "DecisionTreeRegressor":
        """Grow the tree."""
        X, y = self._check_xy(X, y)
        self._fit_tree(X, y, sample_weight, num_classes=None)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The mean where a row stops [N]."""
        return self._apply(tree.predict, X)
