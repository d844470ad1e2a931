"""Logistic regression with scikit-learn's interface."""

from typing import Any

import numpy as np
from scipy.special import log_softmax

from mlr_jax.classical import logistic
from mlr_jax.estimators.base import Classifier


class LogisticRegression(Classifier):
    """Binary and multinomial logistic regression with a quadratic penalty (`classical/logistic.py`)."""

    least_classes = 2

    def __init__(self, *, C: float = 1.0, tol: float = 1e-4, max_iter: int = 1000, fit_intercept: bool = True) -> None:
        """tol: the greatest entry of the gradient of the mean loss, with the penalty divided likewise, at the end.

        Fitted: coef_ [K, D] and intercept_ [K], of two classes [1, D] and [1]; n_iter_ [1].
        """
        self.C = C
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "LogisticRegression":
        """Find the coefficients."""
        X, y = self._check_xy(X, y, sample_weight)
        self._require("C", above=0)
        self._require("tol", above=0)
        self._require_count("max_iter")
        model = self._fit_model(
            logistic.fit, logistic.Hypers(self.C, self.tol), X, sample_weight,
            y=y, num_classes=len(self.classes_), fit_intercept=bool(self.fit_intercept), max_iterations=self.max_iter,
        )  # fmt: skip
        self.coef_, self.intercept_ = model.coefficients.T, model.intercept
        self.n_iter_ = np.atleast_1d(model.iterations)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """The logits [N, K]; of two classes, that of the second [N]."""
        logits = self._logits(X)
        return logits[:, 1] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> np.ndarray:
        """p(class | row) [N, K]."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """log p(class | row) [N, K]."""
        return log_softmax(self._logits(X), axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row [N]."""
        return self._named(self._logits(X))

    def _logits(self, X: Any) -> np.ndarray:
        return self._apply(logistic.logits_of, X)
