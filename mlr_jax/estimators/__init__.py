"""scikit-learn shaped faces of the classical algorithms: they validate, pad, and call the compiled pure functions."""

from mlr_jax.estimators.clusters import KMeans
from mlr_jax.estimators.decomposition import PCA
from mlr_jax.estimators.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from mlr_jax.estimators.neighbours import KNeighborsClassifier, KNeighborsRegressor

__all__ = [
    "PCA",
    "BernoulliNB",
    "GaussianNB",
    "KMeans",
    "KNeighborsClassifier",
    "KNeighborsRegressor",
    "MultinomialNB",
]
