"""Naive Bayes with scikit-learn's interface."""

from typing import Any

import numpy as np
from scipy.special import log_softmax
from sklearn.utils.validation import check_non_negative

from mlr_jax.classical import naive_bayes
from mlr_jax.classical.naive_bayes import CountHypers, GaussianHypers, Likelihood
from mlr_jax.estimators.base import Classifier


class _NaiveBayes(Classifier):
    _likelihood: Likelihood

    def _fit_classes(self, X: np.ndarray, y: np.ndarray, sample_weight: Any, hypers: Any) -> Any:
        return self._fit_model(
            naive_bayes.fit, hypers, X, sample_weight,
            y=y, likelihood=self._likelihood, num_classes=len(self.classes_),
        )  # fmt: skip

    def predict_proba(self, X: Any) -> np.ndarray:
        """p(class | row) [N, K]."""
        return self._apply(naive_bayes.predict, X)

    def predict_joint_log_proba(self, X: Any) -> np.ndarray:
        """log p(class) + log p(row | class) [N, K]."""
        return self._apply(naive_bayes.log_joint, X)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """log p(class | row) [N, K]."""
        return log_softmax(self.predict_joint_log_proba(X), axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row [N]."""
        return self._named(self.predict_joint_log_proba(X))


class GaussianNB(_NaiveBayes):
    """Naive Bayes of normally distributed features (`classical/naive_bayes.py`)."""

    _likelihood = naive_bayes.gaussian

    def __init__(self, *, var_smoothing: float = 1e-9) -> None:
        """Fitted: theta_ and var_ [K, D], the mean and variance of each feature in each class; class_prior_ [K]."""
        self.var_smoothing = var_smoothing

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "GaussianNB":
        """Estimate means and variances."""
        X, y = self._check_xy(X, y, sample_weight)
        self._require("var_smoothing", least=0)
        model = self._fit_classes(X, y, sample_weight, GaussianHypers(self.var_smoothing))
        self.class_prior_, self.theta_, self.var_ = np.exp(model.log_prior), model.mean, model.variance
        return self


class MultinomialNB(_NaiveBayes):
    """Naive Bayes of counts (`classical/naive_bayes.py`)."""

    _likelihood = naive_bayes.multinomial

    def __init__(self, *, alpha: float = 1.0) -> None:
        """Fitted: feature_log_prob_ [K, D] and class_log_prior_ [K]."""
        self.alpha = alpha

    def __sklearn_tags__(self) -> Any:
        """Counts are not negative; on what are no counts the score is poor."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        tags.input_tags.positive_only = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MultinomialNB":
        """Estimate how often each feature is counted in each class."""
        X, y = self._check_xy(X, y, sample_weight)
        check_non_negative(X, "MultinomialNB.fit")
        self._require("alpha", above=0)
        model = self._fit_classes(X, y, sample_weight, CountHypers(self.alpha))
        self.class_log_prior_, self.feature_log_prob_ = model.log_prior, model.slope
        return self


class BernoulliNB(_NaiveBayes):
    """Naive Bayes of features that are present or absent (`classical/naive_bayes.py`)."""

    _likelihood = naive_bayes.bernoulli

    def __init__(self, *, alpha: float = 1.0, binarize: float = 0.0) -> None:
        """binarize: a feature is present where it is greater. Fitted: class_log_prior_ [K]."""
        self.alpha = alpha
        self.binarize = binarize

    def __sklearn_tags__(self) -> Any:
        """With features that are neither present nor absent the score is poor."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "BernoulliNB":
        """Estimate how often each feature is present in each class."""
        X, y = self._check_xy(X, y, sample_weight)
        self._require("alpha", above=0)
        self._require("binarize")
        model = self._fit_classes(X, y, sample_weight, CountHypers(self.alpha, self.binarize))
        self.class_log_prior_ = model.log_prior
        return self
