"""Principal components with scikit-learn's interface."""

from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from mlr_jax.classical import pca
from mlr_jax.estimators.base import Face


class PCA(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Face):
    """Principal component analysis (`classical/pca.py`)."""

    def __init__(
        self,
        n_components: int | float | None = None,
        *,
        whiten: bool = False,
        svd_solver: str = "full",
        random_state: Any = None,
    ) -> None:
        """n_components: how many; a part between 0 and 1 of the variance to keep; or None, all that there are.

        svd_solver: "full" or "randomized". Fitted: mean_ [D], components_ [Q, D], explained_variance_ [Q],
        explained_variance_ratio_ [Q], singular_values_ [Q], noise_variance_, n_components_.
        """
        self.n_components = n_components
        self.whiten = whiten
        self.svd_solver = svd_solver
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "PCA":
        """Find the components of rows X; y is not looked at."""
        X = self._check(X)
        self._require_one_of("svd_solver", "full", "randomized")
        most = min(X.shape)
        is_part = isinstance(self.n_components, float) and 0 < self.n_components < 1
        if self.n_components is not None and not is_part:
            self._require_count("n_components", most=most)
        count: Any = most if self.n_components is None or is_part else self.n_components
        if self.svd_solver == "full":
            model = self._fit_model(pca.fit, pca.Hypers(), X, sample_weight, num_components=count)
        else:
            model = self._fit_model(
                pca.fit_randomized, pca.Hypers(), X, sample_weight, keyed=True, num_components=count
            )
        if is_part:
            count = 1 + int(np.sum(np.cumsum(model.ratio) < self.n_components))
            model = self.model_ = self._first(model, min(count, most))
        self.mean_, self.components_ = model.mean, model.components
        self.explained_variance_, self.explained_variance_ratio_ = model.variance, model.ratio
        self.singular_values_ = np.sqrt(model.variance * max(len(X) - 1, 1))
        self.noise_variance_, self.n_components_ = float(model.noise), len(model.components)
        return self

    @staticmethod
    def _first(model: pca.PCA, count: int) -> pca.PCA:
        """The first components; what the others explain is noise."""
        rest = model.variance[count:]
        noise: Any = rest.mean() if len(rest) else np.zeros_like(model.noise)
        return model._replace(
            components=model.components[:count], variance=model.variance[:count], ratio=model.ratio[:count], noise=noise
        )

    def transform(self, X: Any) -> np.ndarray:
        """Coordinates of each row along the components [N, Q]."""
        return self._apply(pca.transform, X, whiten=self.whiten)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """The rows that have these coordinates: [N, Q] -> [N, D]."""
        check_is_fitted(self)
        X = check_array(X, dtype=(np.float64, np.float32))
        return self._apply(pca.inverse_transform, X, check=False, whiten=self.whiten)

    def score_samples(self, X: Any) -> np.ndarray:
        """The log density of each row under probabilistic PCA [N]."""
        return self._apply(pca.score_samples, X)

    def score(self, X: Any, y: Any = None) -> float:
        """The mean log density of rows X."""
        return float(np.mean(self.score_samples(X)))

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)
