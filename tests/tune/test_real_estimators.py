"""Searches over the package's own algorithms beside scikit-learn's searches over its own."""

from functools import cache, partial

import jax
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from mlr_jax.classical import knn, lasso, linear, logistic
from mlr_jax.ops.metrics import classification, regression
from mlr_jax.tune.cross_validation import cross_validate
from mlr_jax.tune.folds import k_fold, partition, stratified
from mlr_jax.tune.grid import grid
from mlr_jax.tune.hypergradient import descend, validation_loss
from mlr_jax.tune.search import GREATEST, LEAST, grid_search


@cache
def diabetes():
    x, y = load_diabetes(return_X_y=True)
    return x, y / y.std(), partition(k_fold(len(y), 5, 0))


@cache
def cancer():
    x, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(x)[:, ::2], y, partition(stratified(y, 4, 0))


ALPHAS, CS, NEIGHBOURS = np.logspace(-4, 1, 11), np.logspace(-3, 2, 6), np.array([1.0, 3.0, 9.0])
CASES = {
    "ridge": (
        diabetes, linear.ridge(), grid(linear.Hypers(), alpha=ALPHAS), regression.mean_squared_error, LEAST,
        Ridge(), {"alpha": ALPHAS}, "neg_mean_squared_error",
    ),
    "logistic regression": (
        cancer, logistic.logistic(2), grid(logistic.Hypers(tolerance=1e-9), C=CS), classification.log_loss, LEAST,
        LogisticRegression(tol=1e-10, max_iter=1000), {"C": CS}, "neg_log_loss",
    ),
    "nearest neighbours": (
        cancer, knn.knn_classifier(2, 9), grid(knn.Hypers(), neighbours=NEIGHBOURS), classification.accuracy, GREATEST,
        KNeighborsClassifier(), {"n_neighbors": NEIGHBOURS.astype(int)}, "accuracy",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_search_of_scikit_learn(name):
    load, estimator, hypers, metric, choice, model, values, scoring = CASES[name]
    x, y, folds = load()
    splits = [(np.flatnonzero(train), test[test >= 0]) for train, test in zip(*folds, strict=True)]
    expected = GridSearchCV(model, values, cv=splits, scoring=scoring).fit(x, y)
    with jax.enable_x64(True):
        search = grid_search(estimator, hypers, folds, x, y, metric=metric, choice=choice)
        found = jax.device_get(search.scores.test["score"])[:, :, 0]
    by_fold = [expected.cv_results_[f"split{fold}_test_score"] for fold in range(len(splits))]
    np.testing.assert_allclose(found, np.abs(by_fold), rtol=1e-5)
    assert int(search.best) == expected.best_index_


LOSSES = {
    "ridge": (diabetes, linear.ridge(), linear.Hypers(), "alpha", 0.03, regression.mean_squared_error),
    "elastic net": (
        diabetes, lasso.lasso(), lasso.Hypers(0.01, 0.5, 1e-12), "alpha", 0.01, regression.mean_squared_error,
    ),
    "logistic regression": (
        cancer, logistic.logistic(2), logistic.Hypers(tolerance=1e-9), "C", 0.1, classification.log_loss,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_the_slope_of_the_validation_loss_is_that_of_finite_differences(name):
    load, estimator, hypers, field, value, metric = LOSSES[name]
    x, y, folds = load()

    def loss(value):
        return validation_loss(estimator, hypers._replace(**{field: value}), folds, x, y, loss=metric)

    with jax.enable_x64(True):
        compiled, step = jax.jit(jax.value_and_grad(loss)), 1e-4 * value
        slope = compiled(value)[1]
        np.testing.assert_allclose(
            slope, (compiled(value + step)[0] - compiled(value - step)[0]) / (2 * step), rtol=1e-4
        )


def test_descent_finds_the_best_c_of_logistic_regression():
    x, y, folds = cancer()
    estimator, hypers = logistic.logistic(2), logistic.Hypers(tolerance=1e-5)

    def loss(hypers):
        return validation_loss(estimator, hypers, folds, x, y, loss=classification.log_loss)

    fine = grid(hypers, C=np.logspace(-3, 2, 81))
    scores = cross_validate(estimator, fine, folds, x, y, metrics={"loss": classification.log_loss})
    best = np.min(np.mean(scores.test["loss"], axis=(0, 2)))
    found = jax.jit(partial(descend, loss, fields=["C"], steps=25))(hypers._replace(C=0.001))
    assert found.loss < best * (1 + 1e-4)
