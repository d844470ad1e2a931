"""Nearest neighbours with scikit-learn's interface."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from mlr_jax.classical import knn
from mlr_jax.estimators.base import Classifier, Face, Regressor
from mlr_jax.ops.distances import euclidean, manhattan

METRICS = {"euclidean": euclidean, "manhattan": manhattan}


class _Neighbours(Face):
    def __init__(
        self, n_neighbors: int = 5, *, weights: str = "uniform", metric: str = "euclidean", block_size: int = 16384
    ) -> None:
        """block_size: training rows whose distances to a few queries are held at a time; it bounds the memory."""
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.metric = metric
        self.block_size = block_size

    def _keep(self, X: np.ndarray, y: np.ndarray, sample_weight: Any, num_classes: int | None) -> None:
        self._require_count("n_neighbors")
        self._require_count("block_size")
        self._require_one_of("weights", "uniform", "distance")
        self._require_one_of("metric", *METRICS)
        self.n_samples_fit_ = len(X)
        hypers = knn.Hypers(power=0.0 if self.weights == "uniform" else 1.0)
        self._fit_model(knn.fit, hypers, X, sample_weight, y=y, num_classes=num_classes)

    def _search(self, neighbours: int | None = None) -> dict[str, Any]:
        """The static settings of a search. Raises ValueError for more neighbours than rows."""
        k = self.n_neighbors if neighbours is None else neighbours
        if k > self.n_samples_fit_:
            raise ValueError(f"Expected n_neighbors <= n_samples_fit, but n_neighbors = {k}, n_samples_fit = "
                             f"{self.n_samples_fit_}")  # fmt: skip
        return {"k": k, "metric": METRICS[self.metric], "block_size": self.block_size}

    def kneighbors(self, X: Any, n_neighbors: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Distances [N, k] of each row's nearest training rows, ascending, and their indices [N, k]."""
        check_is_fitted(self)
        return self._apply(_nearest, X, **self._search(n_neighbors))


class KNeighborsClassifier(_Neighbours, Classifier):
    """Classes by vote of the k nearest rows (`classical/knn.py`)."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "KNeighborsClassifier":
        """Keep the rows X with classes y; a row of sample_weight 2 counts as two neighbours."""
        X, y = self._check_xy(X, y, sample_weight)
        self._keep(X, y, sample_weight, num_classes=max(2, len(self.classes_)))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """The share of each class among the neighbours [N, K]."""
        check_is_fitted(self)
        return self._apply(knn.predict, X, **self._search())[:, : len(self.classes_)]

    def predict(self, X: Any) -> np.ndarray:
        """The class with the greatest share [N]."""
        return self._named(self.predict_proba(X))


class KNeighborsRegressor(_Neighbours, Regressor):
    """The mean of the k nearest rows (`classical/knn.py`)."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "KNeighborsRegressor":
        """Keep the rows X with values y; a row of sample_weight 2 counts as two neighbours."""
        X, y = self._check_xy(X, y)
        self._keep(X, y, sample_weight, num_classes=None)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The mean of the neighbours' values [N]."""
        check_is_fitted(self)
        return self._apply(knn.predict, X, **self._search())


def _nearest(model: knn.Neighbours, x: Any, **search: Any) -> Any:
    return knn.neighbours(model.x, x, weight=model.weight, **search)
