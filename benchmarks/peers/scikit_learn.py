"""scikit-learn's estimators at the settings of the classical cases and the searches, on all cores where they can."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from sklearn import (
    cluster,
    decomposition,
    ensemble,
    linear_model,
    manifold,
    mixture,
    model_selection,
    naive_bayes,
    neighbors,
    svm,
    tree,
)

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fitting(estimator: Any, *data: Any) -> Callable[[], Any]:
    """A call that fits it anew and returns it."""
    return lambda: estimator.fit(*data)


def finding(rows: Any, queries: Any, k: int) -> Callable[[], Any]:
    """A call that returns the distances and indices of the k nearest rows, by brute force."""
    finder = neighbors.NearestNeighbors(n_neighbors=k, algorithm="brute", n_jobs=CORES).fit(rows)
    return lambda: finder.kneighbors(queries)


def least_squares() -> Any:
    """By the singular value decomposition."""
    return linear_model.LinearRegression()


def ridge() -> Any:
    """By the normal equations."""
    return linear_model.Ridge(alpha=1.0)


def lasso(alpha: float) -> Any:
    """By coordinate descent."""
    return linear_model.Lasso(alpha=alpha)


def logistic() -> Any:
    """Multinomial, C = 1, by L-BFGS."""
    return linear_model.LogisticRegression(max_iter=1000)


def gaussian_naive_bayes() -> Any:
    """As it comes."""
    return naive_bayes.GaussianNB()


def linear_svm() -> Any:
    """Squared hinge, C = 1, by dual coordinate descent."""
    return svm.LinearSVC()


def rbf_svm() -> Any:
    """C = 1, by LIBSVM."""
    return svm.SVC()


def k_means(start: Any, iterations: int) -> Any:
    """Lloyd's iterations from the centres `start`."""
    return cluster.KMeans(len(start), init=start, n_init=1, max_iter=iterations, tol=0)


def gaussian_mixture(components: int) -> Any:
    """Full covariances, from k-means."""
    return mixture.GaussianMixture(components, random_state=0)


def pca(components: int) -> Any:
    """By the covariance matrix."""
    return decomposition.PCA(components, svd_solver="covariance_eigh")


def pca_full() -> Any:
    """All components, by the singular value decomposition."""
    return decomposition.PCA(svd_solver="full")


def decision_tree(depth: int) -> Any:
    """Exact splits."""
    return tree.DecisionTreeClassifier(max_depth=depth, random_state=0)


def random_forest(trees: int, depth: int) -> Any:
    """Exact splits."""
    return ensemble.RandomForestClassifier(trees, max_depth=depth, n_jobs=CORES, random_state=0)


def boosting(stages: int, depth: int) -> Any:
    """255 bins."""
    return ensemble.HistGradientBoostingClassifier(
        max_iter=stages, max_depth=depth, max_leaf_nodes=None, early_stopping=False
    )


def tsne() -> Any:
    """Barnes and Hut's approximation."""
    return manifold.TSNE(random_state=0, n_jobs=CORES)


def search_logistic(penalties: Sequence[float]) -> Any:
    """Every C in five stratified folds, no fit to all rows behind it."""
    estimator = linear_model.LogisticRegression(max_iter=1000)
    return model_selection.GridSearchCV(estimator, {"C": penalties}, cv=5, n_jobs=CORES, refit=False)


def search_ridge(penalties: Sequence[float]) -> Any:
    """Every penalty in five folds."""
    return model_selection.GridSearchCV(linear_model.Ridge(), {"alpha": penalties}, cv=5, n_jobs=CORES, refit=False)
