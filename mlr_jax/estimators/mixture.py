"""Gaussian mixtures with scikit-learn's interface."""

from typing import Any

import jax
import numpy as np
from sklearn.base import DensityMixin
from sklearn.utils.validation import check_is_fitted

from mlr_jax.classical import gmm
from mlr_jax.estimators.base import Face


class GaussianMixture(DensityMixin, Face):
    """A mixture of normal distributions, fitted by EM (`classical/gmm.py`)."""

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        random_state: Any = None,
    ) -> None:
        """covariance_type: "full" or "diag".

        Fitted: weights_ [K], means_ [K, D], covariances_ [K, D, D] or [K, D], lower_bound_ (the mean log-likelihood of
        a row), n_iter_, converged_.
        """
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "GaussianMixture":
        """Find the components of rows X; y is not looked at."""
        X = self._check(X, ensure_min_samples=2)
        for name in ("n_components", "max_iter", "n_init"):
            self._require_count(name)
        self._require("tol", least=0)
        self._require("reg_covar", least=0)
        self._require_one_of("covariance_type", "full", "diag")
        if len(X) < self.n_components:
            raise ValueError(
                f"Expected n_samples >= n_components but got n_components = {self.n_components}, n_samples = {len(X)}"
            )
        model = self._fit_model(
            gmm.fit, gmm.Hypers(self.reg_covar, self.tol), X, sample_weight,
            keyed=True, num_components=self.n_components, diagonal=self.covariance_type == "diag",
            restarts=self.n_init, max_iterations=self.max_iter,
        )  # fmt: skip
        self.weights_, self.means_, self.covariances_ = model.components[:3]
        self.lower_bound_, self.n_iter_ = float(model.log_likelihood), int(model.iterations)
        self.converged_ = bool(model.converged)
        return self

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """Fit, and name the component of each row [N]."""
        return self.fit(X, y, sample_weight).predict(X)

    def predict(self, X: Any) -> np.ndarray:
        """The component that answers most for each row [N]."""
        return self._apply(gmm.predict, X)

    def predict_proba(self, X: Any) -> np.ndarray:
        """How much each component answers for each row [N, K]."""
        return self._apply(gmm.predict_proba, X)

    def score_samples(self, X: Any) -> np.ndarray:
        """The log density of each row [N]."""
        return self._apply(gmm.score_samples, X)

    def score(self, X: Any, y: Any = None) -> float:
        """The mean log density of rows X."""
        return float(np.mean(self.score_samples(X)))

    def bic(self, X: Any) -> float:
        """The Bayesian information criterion on rows X: less is better."""
        return self._criterion(gmm.bic, X)

    def aic(self, X: Any) -> float:
        """Akaike's information criterion on rows X: less is better."""
        return self._criterion(gmm.aic, X)

    def _criterion(self, criterion: Any, X: Any) -> float:
        check_is_fitted(self)
        X = self._check(X, reset=False)
        with jax.enable_x64(X.dtype == np.float64):
            return float(criterion(self.model_, X))

    def sample(self, n_samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Rows drawn from the mixture [n_samples, D], and their components [n_samples]."""
        check_is_fitted(self)
        with jax.enable_x64(self.means_.dtype == np.float64):
            rows, labels = gmm.sample(self.model_, self._key(), n_samples)
        return np.asarray(rows), np.asarray(labels)
