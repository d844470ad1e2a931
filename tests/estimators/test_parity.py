"""Each face beside scikit-learn's class of the same name, on five real sets."""

import numpy as np
import pytest
from estimators.real_sets import CLASSIFICATION, REGRESSION, real_set
from sklearn import cluster, decomposition, ensemble, linear_model, manifold, mixture, naive_bayes, neighbors, svm, tree
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from mlr_jax import estimators
from mlr_jax.classical import tsne

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CONVEX_REGRESSION = {
    "LinearRegression": (estimators.LinearRegression(), linear_model.LinearRegression()),
    "Ridge": (estimators.Ridge(2.0), linear_model.Ridge(2.0)),
    "Lasso": (estimators.Lasso(0.1, tol=1e-12), linear_model.Lasso(0.1, tol=1e-12, max_iter=100_000)),
    "ElasticNet": (estimators.ElasticNet(0.1, tol=1e-12), linear_model.ElasticNet(0.1, tol=1e-12, max_iter=100_000)),
}
CONVEX_CLASSIFICATION = {
    "LogisticRegression": (
        estimators.LogisticRegression(C=0.5, tol=1e-9),
        linear_model.LogisticRegression(C=0.5, tol=1e-9, max_iter=10_000),
    ),
    "LinearSVC": (estimators.LinearSVC(C=0.1, tol=1e-12), svm.LinearSVC(C=0.1, tol=1e-9, max_iter=100_000)),
}
NAIVE_BAYES = {
    "GaussianNB": (estimators.GaussianNB(), naive_bayes.GaussianNB()),
    "BernoulliNB": (estimators.BernoulliNB(), naive_bayes.BernoulliNB()),
    "MultinomialNB": (estimators.MultinomialNB(), naive_bayes.MultinomialNB()),
}


def assert_same_coefficients(ours, theirs):
    scale = np.abs(theirs.coef_).max()
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-4 * scale)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-4, atol=1e-4 * scale)


@pytest.mark.parametrize("name", CONVEX_REGRESSION)
@pytest.mark.parametrize("data", REGRESSION)
def test_a_convex_regression_has_the_same_coefficients(name, data):
    ours, theirs = (model.fit(*real_set(data)) for model in CONVEX_REGRESSION[name])
    assert_same_coefficients(ours, theirs)


@pytest.mark.parametrize("name", CONVEX_CLASSIFICATION)
@pytest.mark.parametrize("data", CLASSIFICATION)
def test_a_convex_classification_has_the_same_coefficients(name, data):
    ours, theirs = (model.fit(*real_set(data)) for model in CONVEX_CLASSIFICATION[name])
    assert_same_coefficients(ours, theirs)


@pytest.mark.parametrize("name", NAIVE_BAYES)
@pytest.mark.parametrize("data", CLASSIFICATION)
def test_a_closed_form_gives_the_same_log_probabilities(name, data):
    x, y = real_set(data)
    x = np.abs(x)
    ours, theirs = (model.fit(x, y).predict_joint_log_proba(x) for model in NAIVE_BAYES[name])
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def without_ties(x, k):
    """The even rows to train on, and those odd rows whose k-th and next neighbour are not equally far."""
    train, query = x[::2], x[1::2]
    distances, _ = neighbors.NearestNeighbors(n_neighbors=k + 1).fit(train).kneighbors(query)
    return train, query[distances[:, k] - distances[:, k - 1] > 1e-9]


@pytest.mark.parametrize("data", CLASSIFICATION)
def test_neighbours_vote_for_the_same_classes(data):
    x, y = real_set(data)
    train, query = without_ties(x, 7)
    pair = (module(7, weights="distance") for module in (
        estimators.KNeighborsClassifier, neighbors.KNeighborsClassifier
    ))  # fmt: skip
    ours, theirs = (model.fit(train, y[::2]).predict_proba(query) for model in pair)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("data", REGRESSION)
def test_neighbours_predict_the_same_values(data):
    x, y = real_set(data)
    train, query = without_ties(x, 3)
    pair = estimators.KNeighborsRegressor(3), neighbors.KNeighborsRegressor(3)
    ours, theirs = (model.fit(train, y[::2]).predict(query) for model in pair)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@pytest.mark.parametrize("kernel", ["rbf", "poly"])
@pytest.mark.parametrize("data", CLASSIFICATION)
def test_kernel_machines_decide_alike(kernel, data):
    x, y = real_set(data)
    pair = estimators.SVC(kernel=kernel, tol=1e-6), svm.SVC(kernel=kernel, tol=1e-6)
    ours, theirs = (model.fit(x, y) for model in pair)
    np.testing.assert_allclose(ours.decision_function(x), theirs.decision_function(x), atol=1e-4)
    assert np.mean(ours.predict(x) == theirs.predict(x)) > 1 - 1 / len(x)


@pytest.mark.parametrize("data", CLASSIFICATION)
def test_principal_components_are_the_same(data):
    x, _ = real_set(data)
    ours, theirs = (model.fit(x) for model in (estimators.PCA(3), decomposition.PCA(3, svd_solver="full")))
    np.testing.assert_allclose(ours.components_, theirs.components_, atol=1e-7)
    np.testing.assert_allclose(ours.explained_variance_, theirs.explained_variance_, rtol=1e-9)
    np.testing.assert_allclose(ours.transform(x), theirs.transform(x), atol=1e-6)
    np.testing.assert_allclose(ours.score(x), theirs.score(x), rtol=1e-9)


@pytest.mark.parametrize("data", CLASSIFICATION)
def test_the_best_of_many_clusterings_is_as_good(data):
    x, _ = real_set(data)
    ours = [estimators.KMeans(3, n_init=10, random_state=seed).fit(x).inertia_ for seed in range(3)]
    theirs = [cluster.KMeans(3, n_init=10, random_state=seed).fit(x).inertia_ for seed in range(3)]
    assert min(ours) <= max(theirs) * (1 + 1e-3)  # from other random numbers: other local minima


@pytest.mark.parametrize("data", CLASSIFICATION)
def test_the_likeliest_of_many_mixtures_is_as_likely(data):
    x = decomposition.PCA(4).fit_transform(real_set(data)[0])
    settings = {"n_components": 2, "covariance_type": "diag", "n_init": 5, "max_iter": 300, "tol": 1e-6}
    ours = [estimators.GaussianMixture(**settings, random_state=seed).fit(x).score(x) for seed in range(3)]
    theirs = [mixture.GaussianMixture(**settings, random_state=seed).fit(x).score(x) for seed in range(3)]
    assert max(ours) >= max(theirs) - 1e-5


def scores_of_folds(model, x, y, seeds):
    """The score of each of five folds, of a random model the mean over seeds."""
    if seeds is None:
        return cross_val_score(model, x, y, cv=5)
    models = (clone(model).set_params(random_state=seed) for seed in range(seeds))
    return np.mean([cross_val_score(model, x, y, cv=5) for model in models], axis=0)


def assert_within_standard_error(ours, theirs, x, y, seeds=None):
    """Mean scores over five folds differ by less than the standard error of their difference, or ours is better."""
    first, second = (scores_of_folds(model, x, y, seeds) for model in (ours, theirs))
    error = np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / 5)
    assert first.mean() >= second.mean() - max(error, 1e-9), (first, second)


@pytest.mark.parametrize("data", CLASSIFICATION)
def test_a_classification_tree_scores_within_the_standard_error(data):
    pair = estimators.DecisionTreeClassifier(max_depth=4), tree.DecisionTreeClassifier(max_depth=4, random_state=0)
    assert_within_standard_error(*pair, *real_set(data))


@pytest.mark.parametrize("data", REGRESSION)
def test_a_regression_tree_scores_within_the_standard_error(data):
    pair = estimators.DecisionTreeRegressor(max_depth=3), tree.DecisionTreeRegressor(max_depth=3, random_state=0)
    assert_within_standard_error(*pair, *real_set(data))


@pytest.mark.parametrize("data", CLASSIFICATION)
def test_a_forest_scores_within_the_standard_error(data):
    settings = {"n_estimators": 50, "max_depth": 6}
    ours, theirs = estimators.RandomForestClassifier(**settings), ensemble.RandomForestClassifier(**settings)
    assert_within_standard_error(ours, theirs, *real_set(data), seeds=3)


@pytest.mark.parametrize("data", REGRESSION)
def test_a_regression_forest_scores_within_the_standard_error(data):
    settings = {"n_estimators": 50, "max_depth": 5}
    theirs = ensemble.RandomForestRegressor(**settings, max_features=1 / 3)
    assert_within_standard_error(estimators.RandomForestRegressor(**settings), theirs, *real_set(data), seeds=3)


BOOSTING = {"max_depth": 3, "learning_rate": 0.2, "max_bins": 64}
BOOSTING_OF_THE_PEER = {"max_iter": 20, "max_leaf_nodes": None, "min_samples_leaf": 1, **BOOSTING}


@pytest.mark.parametrize("data", CLASSIFICATION)
def test_boosting_scores_within_the_standard_error(data):
    ours = estimators.GradientBoostingClassifier(n_estimators=20, **BOOSTING)
    theirs = ensemble.HistGradientBoostingClassifier(**BOOSTING_OF_THE_PEER)
    assert_within_standard_error(ours, theirs, *real_set(data))


@pytest.mark.parametrize("data", REGRESSION)
def test_boosting_of_a_regression_scores_within_the_standard_error(data):
    ours = estimators.GradientBoostingRegressor(n_estimators=20, **BOOSTING)
    theirs = ensemble.HistGradientBoostingRegressor(**BOOSTING_OF_THE_PEER)
    assert_within_standard_error(ours, theirs, *real_set(data))


def test_embeddings_diverge_no_more_from_the_rows():
    """From the same starts; which local minimum is found depends on rounding, so it is the mean that is compared."""
    logs = []
    for data in CLASSIFICATION:
        x = np.float32(real_set(data)[0][::2])
        for seed in range(3):
            start = 1e-4 * np.random.default_rng(seed).normal(size=(len(x), 2)).astype(np.float32)
            ours = tsne.fit(tsne.Hypers(perplexity=10), x, start=start, iterations=500).kl
            theirs = manifold.TSNE(perplexity=10, max_iter=500, method="exact", init=start).fit(x).kl_divergence_
            logs.append(np.log(ours / theirs))
    assert np.mean(logs) <= 3 * np.std(logs, ddof=1) / np.sqrt(len(logs))
