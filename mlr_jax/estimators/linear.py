"""Linear regression with scikit-learn's interface."""

from typing import Any

import numpy as np

from mlr_jax.classical import lasso, linear
from mlr_jax.estimators.base import Regressor


class _Linear(Regressor):
    def __sklearn_tags__(self) -> Any:
        """Several targets are welcome."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _fit_line(self, X: Any, y: Any, sample_weight: Any, alpha: float) -> None:
        X, y = self._check_xy(X, y, multi_output=True)
        model = self._fit_model(
            linear.fit, linear.Hypers(alpha), X, sample_weight, y=y, fit_intercept=bool(self.fit_intercept)
        )
        self.coef_, self.intercept_ = model.coefficients.T, model.intercept

    def predict(self, X: Any) -> np.ndarray:
        """X @ coef_.T + intercept_: [N], or [N, T] for several targets."""
        return self._apply(linear.predict, X)


class LinearRegression(_Linear):
    """Least squares; of all solutions, where there are many, the shortest (`classical/linear.py`)."""

    def __init__(self, *, fit_intercept: bool = True) -> None:
        """Fitted: coef_ [D] and intercept_, for several targets [T, D] and [T]."""
        self.fit_intercept = fit_intercept

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "LinearRegression":
        """Find the coefficients for y [N] or [N, T]."""
        self._fit_line(X, y, sample_weight, 0.0)
        return self


class Ridge(_Linear):
    """Least squares with a penalty alpha |coef|² (`classical/linear.py`)."""

    def __init__(self, alpha: float = 1.0, *, fit_intercept: bool = True) -> None:
        """Fitted: coef_ [D] and intercept_, for several targets [T, D] and [T]."""
        self.alpha = alpha
        self.fit_intercept = fit_intercept

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Ridge":
        """Find the coefficients for y [N] or [N, T]."""
        self._require("alpha", least=0)
        self._fit_line(X, y, sample_weight, self.alpha)
        return self


class _Sparse(Regressor):
    alpha: float
    tol: float
    max_iter: int
    fit_intercept: bool
    precompute: bool

    def _fit_line(self, X: Any, y: Any, sample_weight: Any, l1_ratio: float) -> None:
        X, y = self._check_xy(X, y)
        self._require("alpha", least=0)
        self._require("tol", above=0)
        self._require_count("max_iter")
        model = self._fit_model(
            lasso.fit, lasso.Hypers(self.alpha, l1_ratio, self.tol), X, sample_weight,
            y=y, fit_intercept=bool(self.fit_intercept), gram=bool(self.precompute), max_iterations=self.max_iter,
        )  # fmt: skip
        self.coef_, self.intercept_ = model.coefficients, model.intercept
        self.dual_gap_, self.n_iter_ = float(model.gap), int(model.iterations)

    def predict(self, X: Any) -> np.ndarray:
        """X @ coef_ + intercept_ [N]."""
        return self._apply(lasso.predict, X)


class Lasso(_Sparse):
    """Least squares with a penalty alpha |coef|_1, which makes coefficients vanish (`classical/lasso.py`)."""

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        tol: float = 1e-4,
        max_iter: int = 10_000,
        fit_intercept: bool = True,
        precompute: bool = False,
    ) -> None:
        """tol: the duality gap at the end, as a share of the variance of y. precompute: iterate on X'X.

        Fitted: coef_ [D], intercept_, dual_gap_, n_iter_.
        """
        self.alpha = alpha
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
        self.precompute = precompute

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Lasso":
        """Find the coefficients."""
        self._fit_line(X, y, sample_weight, 1.0)
        return self


class ElasticNet(_Sparse):
    """Least squares with a penalty alpha (l1_ratio |coef|_1 + (1 - l1_ratio) |coef|² / 2) (`classical/lasso.py`)."""

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        l1_ratio: float = 0.5,
        tol: float = 1e-4,
        max_iter: int = 10_000,
        fit_intercept: bool = True,
        precompute: bool = False,
    ) -> None:
        """tol: the duality gap at the end, as a share of the variance of y. precompute: iterate on X'X.

        Fitted: coef_ [D], intercept_, dual_gap_, n_iter_.
        """
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
        self.precompute = precompute

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "ElasticNet":
        """Find the coefficients."""
        self._require("l1_ratio", least=0, most=1)
        self._fit_line(X, y, sample_weight, self.l1_ratio)
        return self
