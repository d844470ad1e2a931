"""Linear regression with scikit-learn's interface."""

from typing import Any

import numpy as np

from mlr_jax.classical import linear
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
