"""Random forests and gradient boosting with scikit-learn's interface. NaN in X is a missing value."""

from typing import Any

import jax
import numpy as np
from sklearn.utils.validation import check_is_fitted

from mlr_jax.classical import boosting, boosting_losses, forest, tree
from mlr_jax.estimators.base import Classifier, Regressor, compiled
from mlr_jax.estimators.trees import Branching


class _Forest(Branching):
    def __init__(
        self,
        n_estimators: int = 100,
        *,
        max_features: int | None = None,
        max_depth: int = 8,
        max_bins: int = 64,
        min_samples_leaf: float = 1,
        oob_score: bool = False,
        random_state: Any = None,
    ) -> None:
        """max_features: how many a node chooses from; None is the root of all for classes, a third for numbers.

        Fitted: feature_importances_ [D]; with oob_score also oob_score_, and oob_decision_function_ [N, K] or
        oob_prediction_ [N], what trees say of rows that they have not seen.
        """
        self.n_estimators = n_estimators
        self.max_features = max_features
        self.max_depth = max_depth
        self.max_bins = max_bins
        self.min_samples_leaf = min_samples_leaf
        self.oob_score = oob_score
        self.random_state = random_state

    def _grow(self, X: np.ndarray, y: np.ndarray, sample_weight: Any, num_classes: int | None) -> np.ndarray | None:
        """Fit; returns the predictions out of the bag where they are asked for."""
        self._require_count("n_estimators")
        if self.max_features is not None:
            self._require_count("max_features", most=X.shape[1])
        self._require("min_samples_leaf", above=0)
        model, unseen = self._fit_model(
            _fit_forest, tree.Hypers(self.min_samples_leaf), X, sample_weight,
            y=y, keyed=True, out_of_bag=bool(self.oob_score), num_classes=num_classes, num_trees=self.n_estimators,
            max_features=self.max_features, **self._tree_settings(),
        )  # fmt: skip
        self.model_ = model
        return None if unseen is None else unseen[: len(X)]

    @property
    def feature_importances_(self) -> np.ndarray:
        """The share of each feature in the decrease of the impurity, a mean over trees [D]."""
        check_is_fitted(self)
        return np.asarray(compiled(forest.feature_importances, num_features=self.n_features_in_)(self.model_))


def _fit_forest(*arguments: Any, out_of_bag: bool, **keywords: Any) -> tuple[forest.Forest, Any]:
    """The forest with its keys as plain words, which can be pickled, and what it says of rows it has not seen."""
    model = forest.fit(*arguments, **keywords)
    _, x, _, weight = arguments
    unseen = forest.out_of_bag(model, x, weight) if out_of_bag else None
    return model._replace(keys=jax.random.key_data(model.keys)), unseen


class RandomForestClassifier(_Forest, Classifier):
    """The mean of many classification trees (`classical/forest.py`)."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "RandomForestClassifier":
        """Grow the trees."""
        X, y = self._check_xy(X, y, sample_weight)
        unseen = self._grow(X, y, sample_weight, len(self.classes_))
        if unseen is not None:
            self.oob_decision_function_ = unseen
            self.oob_score_ = float(np.mean(np.argmax(np.nan_to_num(unseen), axis=1) == y))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """The mean of the trees' shares of each class [N, K]."""
        return self._apply(forest.predict, X)

    def predict(self, X: Any) -> np.ndarray:
        """The class with the greatest mean share [N]."""
        return self._named(self.predict_proba(X))


class RandomForestRegressor(_Forest, Regressor):
    """The mean of many regression trees (`classical/forest.py`)."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "RandomForestRegressor":
        """Grow the trees."""
        X, y = self._check_xy(X, y)
        unseen = self._grow(X, y, sample_weight, None)
        if unseen is not None:
            seen = np.isfinite(unseen)
            self.oob_prediction_ = unseen
            self.oob_score_ = float(1 - np.mean((unseen - y)[seen] ** 2) / np.var(y[seen]))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The mean of the trees' values [N]."""
        return self._apply(forest.predict, X)


class _Boosting(Branching):
    def __init__(
        self,
        n_estimators: int = 100,
        *,
        learning_rate: float = 0.1,
        l2_regularization: float = 0.0,
        subsample: float = 1.0,
        max_depth: int = 5,
        max_bins: int = 64,
        random_state: Any = None,
    ) -> None:
        """subsample: the chance of a row to be looked at by a tree. Fitted: feature_importances_ [D]."""
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.l2_regularization = l2_regularization
        self.subsample = subsample
        self.max_depth = max_depth
        self.max_bins = max_bins
        self.random_state = random_state

    def _boost(self, X: np.ndarray, y: np.ndarray, sample_weight: Any, loss: boosting_losses.Loss) -> None:
        self._require_count("n_estimators")
        self._require("learning_rate", above=0)
        self._require("l2_regularization", least=0)
        self._require("subsample", above=0, most=1)
        hypers = boosting.Hypers(self.learning_rate, self.l2_regularization, subsample=self.subsample)
        self._fit_model(
            boosting.fit, hypers, X, sample_weight,
            y=y, keyed=True, loss=loss, num_trees=self.n_estimators, **self._tree_settings(),
        )  # fmt: skip

    @property
    def feature_importances_(self) -> np.ndarray:
        """The share of each feature in the gain of all splits [D]."""
        check_is_fitted(self)
        return np.asarray(compiled(boosting.feature_importances, num_features=self.n_features_in_)(self.model_))


class GradientBoostingClassifier(_Boosting, Classifier):
    """Gradient boosting of the logistic or the softmax loss (`classical/boosting.py`)."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "GradientBoostingClassifier":
        """Grow the trees."""
        X, y = self._check_xy(X, y, sample_weight)
        self._boost(X, y, sample_weight, self._loss())
        return self

    def _loss(self) -> boosting_losses.Loss:
        classes = len(self.classes_)
        return boosting_losses.logistic if classes == 2 else boosting_losses.softmax(classes)

    def predict_proba(self, X: Any) -> np.ndarray:
        """p(class | row) [N, K]."""
        check_is_fitted(self)
        return self._apply(boosting.predict, X, loss=self._loss())

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row [N]."""
        return self._named(self.predict_proba(X))


class GradientBoostingRegressor(_Boosting, Regressor):
    """Gradient boosting of the squared loss (`classical/boosting.py`)."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "GradientBoostingRegressor":
        """Grow the trees."""
        X, y = self._check_xy(X, y)
        self._boost(X, y, sample_weight, boosting_losses.squared)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The value of each row [N]."""
        return self._apply(boosting.predict, X)
