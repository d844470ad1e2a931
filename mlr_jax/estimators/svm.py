"""Support vector machines with scikit-learn's interface."""

from functools import cache
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from mlr_jax.classical import kernel_svm, linear_svm
from mlr_jax.estimators.base import Classifier
from mlr_jax.ops.kernels import Kernel, linear, polynomial, rbf


@cache
def kernel_of(name: str, degree: int) -> Kernel:
    """The kernel; one and the same for the same arguments, since programs are compiled for it."""
    return {"linear": linear, "rbf": rbf, "poly": lambda: polynomial(degree)}[name]()


class SVC(Classifier):
    """A kernel support vector classifier, one machine for every two classes (`classical/kernel_svm.py`)."""

    least_classes = 2

    def __init__(
        self,
        *,
        C: float = 1.0,
        kernel: str = "rbf",
        degree: int = 3,
        gamma: str | float = "scale",
        coef0: float = 0.0,
        tol: float = 1e-3,
        max_iter: int = 10_000,
        block_size: int = 1024,
    ) -> None:
        """kernel: "linear", "rbf" or "poly". gamma: a number, or "scale" for 1 / (D var(X)).

        block_size: rows whose kernel values are held at a time; it bounds the memory. Fitted: support_ [S],
        support_vectors_ [S, D], intercept_ [P], n_iter_ [P] for the P pairs of classes.
        """
        self.C = C
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.tol = tol
        self.max_iter = max_iter
        self.block_size = block_size

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "SVC":
        """Find the machines; a row of sample_weight w is priced at C w."""
        X, y = self._check_xy(X, y, sample_weight)
        self._require("C", above=0)
        self._require("coef0")
        self._require("tol", above=0)
        self._require_one_of("kernel", "linear", "rbf", "poly")
        for name in ("degree", "max_iter", "block_size"):
            self._require_count(name)
        is_scaled = isinstance(self.gamma, str)
        if is_scaled:
            self._require_one_of("gamma", "scale")
        else:
            self._require("gamma", above=0)
        gamma: Any = 1.0 if is_scaled else self.gamma
        model = self._fit_model(
            kernel_svm.fit, kernel_svm.Hypers(self.C, gamma, self.coef0), X, sample_weight,
            y=y, num_classes=len(self.classes_), kernel=kernel_of(self.kernel, self.degree),
            relative_gamma=is_scaled, tolerance=self.tol, max_iterations=self.max_iter, block_size=self.block_size,
        )  # fmt: skip
        self.support_ = np.flatnonzero(np.any(model.coefficients != 0, axis=1)).astype(np.int32)
        self.support_vectors_ = X[self.support_]
        self.intercept_, self.n_iter_ = model.intercept, model.iterations
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """How strongly each class is voted for [N, K]; of two classes, how strongly the second is [N]."""
        scores = self._scored(X, kernel_svm.scores)
        return scores[:, 1] if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> np.ndarray:
        """The class with the most votes [N]."""
        return self._named(self._scored(X, kernel_svm.votes))

    def _scored(self, X: Any, score: Any) -> np.ndarray:
        check_is_fitted(self)
        settings: dict[str, Any] = {"kernel": kernel_of(self.kernel, self.degree), "block_size": self.block_size}
        return self._apply(_scored, X, score=score, num_classes=len(self.classes_), **settings)


class LinearSVC(Classifier):
    """Linear machines with the squared hinge loss, each class against the rest (`classical/linear_svm.py`)."""

    least_classes = 2

    def __init__(
        self, *, C: float = 1.0, tol: float = 1e-10, max_iter: int = 100, intercept_scaling: float = 1.0
    ) -> None:
        """tol: the share of the objective that the last Newton step may still promise to gain.

        intercept_scaling: the intercept is penalised as (intercept / intercept_scaling)². Fitted: coef_ [K, D] and
        intercept_ [K], of two classes [1, D] and [1]; n_iter_.
        """
        self.C = C
        self.tol = tol
        self.max_iter = max_iter
        self.intercept_scaling = intercept_scaling

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "LinearSVC":
        """Find the machines; a row of sample_weight w is priced at C w."""
        X, y = self._check_xy(X, y, sample_weight)
        for name in ("C", "tol", "intercept_scaling"):
            self._require(name, above=0)
        self._require_count("max_iter")
        model = self._fit_model(
            linear_svm.fit, linear_svm.Hypers(self.C, self.intercept_scaling), X, sample_weight,
            y=y, num_classes=len(self.classes_), tolerance=self.tol, max_iterations=self.max_iter,
        )  # fmt: skip
        self.coef_, self.intercept_ = model.coefficients.T, model.intercept
        self.n_iter_ = int(np.max(model.iterations))
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """How far each class is favoured [N, K]; of two classes, the second [N]."""
        values = self._apply(linear_svm.decision_values, X)
        return values[:, 0] if len(self.classes_) == 2 else values

    def predict(self, X: Any) -> np.ndarray:
        """The class that is favoured most [N]."""
        values = self.decision_function(X)
        return self.classes_[(values > 0).astype(int)] if values.ndim == 1 else self._named(values)


def _scored(model: kernel_svm.KernelMachines, x: Any, *, score: Any, num_classes: int, **settings: Any) -> Any:
    return score(kernel_svm.decision_values(model, x, **settings), num_classes)
