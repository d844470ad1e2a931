"""scikit-learn shaped faces of the classical algorithms: they validate, pad, and call the compiled pure functions."""

from mlr_jax.estimators.clusters import KMeans
from mlr_jax.estimators.decomposition import PCA
from mlr_jax.estimators.embedding import TSNE
from mlr_jax.estimators.ensembles import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from mlr_jax.estimators.linear import ElasticNet, Lasso, LinearRegression, Ridge
from mlr_jax.estimators.logistic import LogisticRegression
from mlr_jax.estimators.mixture import GaussianMixture
from mlr_jax.estimators.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from mlr_jax.estimators.neighbours import KNeighborsClassifier, KNeighborsRegressor
from mlr_jax.estimators.svm import SVC, LinearSVC
from mlr_jax.estimators.trees import DecisionTreeClassifier, DecisionTreeRegressor

__all__ = [
    "PCA",
    "SVC",
    "TSNE",
    "BernoulliNB",
    "DecisionTreeClassifier",
    "DecisionTreeRegressor",
    "ElasticNet",
    "GaussianMixture",
    "GaussianNB",
    "GradientBoostingClassifier",
    "GradientBoostingRegressor",
    "KMeans",
    "KNeighborsClassifier",
    "KNeighborsRegressor",
    "Lasso",
    "LinearRegression",
    "LinearSVC",
    "LogisticRegression",
    "MultinomialNB",
    "RandomForestClassifier",
    "RandomForestRegressor",
    "Ridge",
]
