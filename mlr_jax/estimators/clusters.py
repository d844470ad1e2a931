"""Clustering and mixtures with scikit-learn's interface."""

from typing import Any

import numpy as np
from sklearn.base import ClusterMixin, TransformerMixin

from mlr_jax.classical import kmeans
from mlr_jax.estimators.base import Face


class KMeans(TransformerMixin, ClusterMixin, Face):
    """k-means with k-means++ (`classical/kmeans.py`)."""

    def __init__(
        self, n_clusters: int = 8, *, n_init: int = 1, max_iter: int = 300, tol: float = 1e-4, random_state: Any = None
    ) -> None:
        """Fitted: cluster_centers_ [K, D], labels_ [N], inertia_, n_iter_."""
        self.n_clusters = n_clusters
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "KMeans":
        """Find the centres of rows X; y is not looked at."""
        X = self._check(X)
        for name in ("n_clusters", "n_init", "max_iter"):
            self._require_count(name)
        self._require("tol", least=0)
        if len(X) < self.n_clusters:
            raise ValueError(f"n_samples={len(X)} should be >= n_clusters={self.n_clusters}.")
        model = self._fit_model(
            kmeans.fit, kmeans.Hypers(self.tol), X, sample_weight,
            keyed=True, num_clusters=self.n_clusters, restarts=self.n_init, max_iterations=self.max_iter,
        )  # fmt: skip
        self.cluster_centers_, self.inertia_, self.n_iter_ = model.centers, float(model.inertia), int(model.iterations)
        self.labels_ = self._apply(kmeans.predict, X, check=False)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The nearest centre of each row [N]."""
        return self._apply(kmeans.predict, X)

    def transform(self, X: Any) -> np.ndarray:
        """The distance of each row to each centre [N, K]."""
        return self._apply(kmeans.transform, X)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Minus the weighted sum of squared distances to the nearest centre."""
        scores = self._apply(kmeans.score_samples, X)
        return float(scores @ np.ones(len(scores)) if sample_weight is None else scores @ np.asarray(sample_weight))
