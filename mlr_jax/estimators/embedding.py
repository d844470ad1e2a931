"""t-SNE with scikit-learn's interface."""

from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from mlr_jax.classical import tsne
from mlr_jax.estimators.base import Face


class TSNE(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Face):
    """Points in the plane whose neighbours are those of the rows (`classical/tsne.py`). It starts from PCA."""

    def __init__(
        self,
        n_components: int = 2,
        *,
        perplexity: float = 30.0,
        early_exaggeration: float = 12.0,
        learning_rate: str | float = "auto",
        max_iter: int = 1000,
    ) -> None:
        """perplexity: the effective number of neighbours of a row, less than the number of rows.

        Fitted: embedding_ [N, n_components], kl_divergence_.
        """
        self.n_components = n_components
        self.perplexity = perplexity
        self.early_exaggeration = early_exaggeration
        self.learning_rate = learning_rate
        self.max_iter = max_iter

    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """The points of rows X [N, n_components]; y is not looked at."""
        X = self._check(X, ensure_min_samples=2)
        self._require_count("n_components", most=min(X.shape))
        self._require_count("max_iter")
        self._require("perplexity", above=0)
        self._require("early_exaggeration", least=1)
        if self.perplexity >= len(X):
            raise ValueError(f"perplexity: got {self.perplexity}, must be less than n_samples = {len(X)}")
        if isinstance(self.learning_rate, str):
            self._require_one_of("learning_rate", "auto")
        else:
            self._require("learning_rate", above=0)
        rate: Any = 0.0 if isinstance(self.learning_rate, str) else self.learning_rate
        hypers = tsne.Hypers(self.perplexity, rate, self.early_exaggeration)
        model = self._fit_model(
            tsne.fit, hypers, X, None,
            num_components=self.n_components, iterations=self.max_iter, early_iterations=min(250, self.max_iter),
        )  # fmt: skip
        self.embedding_, self.kl_divergence_ = model.points[: len(X)], float(model.kl)
        return self.embedding_

    def fit(self, X: Any, y: Any = None) -> "TSNE":
        """Find the points of rows X."""
        self.fit_transform(X)
        return self

    @property
    def _n_features_out(self) -> int:
        return self.embedding_.shape[1]
