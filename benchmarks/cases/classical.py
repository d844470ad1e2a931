"""The classical cases: each makes its data, and pairs one of our fits with scikit-learn's at the same settings."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from sklearn import (
    cluster,
    datasets,
    decomposition,
    ensemble,
    linear_model,
    manifold,
    mixture,
    model_selection,
    neighbors,
    svm,
)  # fmt: skip
from sklearn import naive_bayes as peer_naive_bayes
from sklearn import tree as peer_tree

from mlr_jax.classical import (
    boosting,
    boosting_losses,
    forest,
    gmm,
    kernel_svm,
    kmeans,
    knn,
    lasso,
    linear,
    linear_svm,
    logistic,
    naive_bayes,
    pca,
    tree,
    tsne,
)  # fmt: skip
from mlr_jax.core.types import Estimator, Hypers
from mlr_jax.ops.kernels import rbf
from mlr_jax.ops.metrics.classification import accuracy
from mlr_jax.ops.metrics.regression import r2
from mlr_jax.tune.cross_validation import cross_validate
from mlr_jax.tune.folds import k_fold, partition, stratified
from mlr_jax.tune.grid import grid

CORES = 2


class Case(NamedTuple):
    """Ours and scikit-learn's, as functions without arguments whose result is ready when they return.

    quality: what is compared, and how it is read off each result
    """

    ours: Callable[[], Any]
    peer: Callable[[], Any]
    quality: str
    quality_of_ours: Callable[[Any], Any]
    quality_of_peer: Callable[[Any], Any]


def blocked(function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    """The compiled function on arguments that are on the device already."""
    compiled, placed = jax.jit(function), jax.device_put(arguments)
    return lambda: jax.block_until_ready(compiled(*placed))


def linear_data(rows: int, columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Normal columns off zero, and a noisy sum of them."""
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(rows, columns)) + rng.normal(size=columns)).astype(np.float32)
    y = x @ rng.normal(size=columns) + rng.normal(size=rows)
    return x, y.astype(np.float32)


def class_data(rows: int, columns: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's made classes, most columns of which say something."""
    x, y = datasets.make_classification(
        rows, columns, n_informative=columns // 2, n_classes=classes, class_sep=1.0, random_state=seed
    )
    return x.astype(np.float32), y.astype(np.int32)


def blobs(rows: int, columns: int, centers: int) -> np.ndarray:
    """Overlapping clouds."""
    return datasets.make_blobs(rows, columns, centers=centers, cluster_std=6.0, random_state=0)[0].astype(np.float32)


def least_squares() -> Case:
    """Linear regression, 100,000 x 100."""
    x, y = linear_data(100_000, 100)
    return Case(
        blocked(partial(linear.fit, linear.Hypers(0.0)), x, y),
        lambda: linear_model.LinearRegression().fit(x, y),
        "mean squared error",
        lambda model: np.mean((np.asarray(linear.predict(model, jnp.asarray(x))) - y) ** 2),
        lambda model: np.mean((model.predict(x) - y) ** 2),
    )


def ridge() -> Case:
    """Ridge, 100,000 x 100."""
    x, y = linear_data(100_000, 100)
    return Case(
        blocked(partial(linear.fit, linear.Hypers(alpha=1.0)), x, y),
        lambda: linear_model.Ridge(alpha=1.0).fit(x, y),
        "mean squared error",
        lambda model: np.mean((np.asarray(linear.predict(model, jnp.asarray(x))) - y) ** 2),
        lambda model: np.mean((model.predict(x) - y) ** 2),
    )


def lasso_case() -> Case:
    """Lasso, 10,000 x 200, to a duality gap of 1e-4 |y|²."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(10_000, 200)).astype(np.float32)
    y = (x[:, :20] @ rng.normal(size=20) + rng.normal(size=10_000)).astype(np.float32)

    def objective(coefficients: Any, intercept: Any) -> float:
        return float(
            np.mean((y - x @ np.asarray(coefficients) - intercept) ** 2) / 2 + 0.1 * np.abs(coefficients).sum()
        )

    return Case(
        blocked(partial(lasso.fit, lasso.Hypers(0.1)), x, y),
        lambda: linear_model.Lasso(alpha=0.1).fit(x, y),
        "objective",
        lambda model: objective(model.coefficients, model.intercept),
        lambda model: objective(model.coef_, model.intercept_),
    )


def logistic_case() -> Case:
    """Multinomial logistic regression, 50,000 x 100 x 10 classes, C = 1, gradient of the mean loss below 1e-4."""
    x, y = class_data(50_000, 100, 10)

    def objective(probabilities: Any, coefficients: Any) -> float:
        losses = -np.log(np.asarray(probabilities, np.float64)[np.arange(len(y)), y])
        return float(losses.mean() + 0.5 * np.sum(np.square(coefficients)) / len(y))

    return Case(
        blocked(partial(logistic.fit, logistic.Hypers(1.0), num_classes=10), x, y),
        lambda: linear_model.LogisticRegression(max_iter=1000).fit(x, y),
        "objective",
        lambda model: objective(logistic.predict(model, jnp.asarray(x)), model.coefficients),
        lambda model: objective(model.predict_proba(x), model.coef_),
    )


def gaussian_naive_bayes() -> Case:
    """Gaussian naive Bayes, 100,000 x 100, 10 classes."""
    x, y = class_data(100_000, 100, 10)
    fit = partial(naive_bayes.fit, likelihood=naive_bayes.gaussian, num_classes=10)
    return Case(
        blocked(partial(fit, naive_bayes.GaussianHypers()), x, y),
        lambda: peer_naive_bayes.GaussianNB().fit(x, y),
        "accuracy",
        lambda model: np.mean(np.argmax(naive_bayes.predict(model, x), axis=1) == y),
        lambda model: model.score(x, y),
    )


def rbf_svm() -> Case:
    """Support vector classifier with an RBF kernel, 5,000 x 50, C = 1, KKT tolerance 1e-3."""
    x, y = class_data(5_000, 50, 2)
    predict = jax.jit(kernel_svm.kernel_svm(num_classes=2, kernel=rbf()).predict)
    return Case(
        blocked(partial(kernel_svm.fit, kernel_svm.Hypers(), num_classes=2, kernel=rbf()), x, y),
        lambda: svm.SVC().fit(x, y),
        "accuracy",
        lambda model: np.mean(np.argmax(predict(model, x), axis=1) == y),
        lambda model: model.score(x, y),
    )


def linear_svm_case() -> Case:
    """Linear support vector classifier, 5,000 x 50, squared hinge, C = 1."""
    x, y = class_data(5_000, 50, 2)

    def objective(coefficients: Any, intercept: Any) -> float:
        w, b = np.asarray(coefficients).ravel(), np.asarray(intercept).item()
        margin = np.maximum(0, 1 - (2 * y - 1) * (x @ w + b))
        return float(0.5 * (w @ w + b * b) + np.sum(margin**2))

    return Case(
        blocked(partial(linear_svm.fit, linear_svm.Hypers(), num_classes=2), x, y),
        lambda: svm.LinearSVC().fit(x, y),
        "objective",
        lambda model: objective(model.coefficients, model.intercept),
        lambda model: objective(model.coef_, model.intercept_),
    )


def nearest_neighbours() -> Case:
    """5 nearest of 20,000 rows for each of 2,000 queries, 64 columns, brute force."""
    x = np.random.default_rng(0).normal(size=(22_000, 64)).astype(np.float32)
    peer = neighbors.NearestNeighbors(n_neighbors=5, algorithm="brute", n_jobs=CORES).fit(x[:20_000])
    return Case(
        blocked(partial(knn.neighbours, k=5), x[:20_000], x[20_000:]),
        lambda: peer.kneighbors(x[20_000:]),
        "mean distance",
        lambda found: np.mean(found[0]),
        lambda found: np.mean(found[0]),
    )


def k_means() -> Case:
    """20 of Lloyd's iterations, 100,000 x 32, 16 centres, from the same ones."""
    x = blobs(100_000, 32, 16)
    start = x[np.random.default_rng(0).choice(len(x), 16, replace=False)]
    peer = cluster.KMeans(16, init=start, n_init=1, max_iter=20, tol=0)
    return Case(
        blocked(partial(kmeans.lloyd, kmeans.Hypers(0.0), max_iterations=20), x, start),
        lambda: peer.fit(x),
        "inertia",
        lambda model: model.inertia,
        lambda model: model.inertia_,
    )


def mixture_case() -> Case:
    """Mixture of 8 full Gaussians by EM, 50,000 x 16, from k-means."""
    x = blobs(50_000, 16, 8)
    fit = partial(gmm.fit, gmm.Hypers(), num_components=8)
    return Case(
        blocked(lambda x: fit(x, key=jax.random.key(0)), x),
        lambda: mixture.GaussianMixture(8, random_state=0).fit(x),
        "mean log-likelihood",
        lambda model: np.mean(gmm.score_samples(model, x)),
        lambda model: model.score(x),
    )


def principal_components() -> Case:
    """10 principal components, 50,000 x 256, by the covariance matrix."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(50_000, 256)) @ rng.normal(size=(256, 256)) / 16).astype(np.float32)
    return Case(
        blocked(partial(pca.fit, pca.Hypers(), num_components=10), x),
        lambda: decomposition.PCA(10, svd_solver="covariance_eigh").fit(x),
        "variance explained",
        lambda model: np.sum(model.ratio),
        lambda model: np.sum(model.explained_variance_ratio_),
    )


def principal_components_full() -> Case:
    """All principal components, 50,000 x 256, beside scikit-learn's full singular value decomposition."""
    case = principal_components()
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(50_000, 256)) @ rng.normal(size=(256, 256)) / 16).astype(np.float32)
    return case._replace(
        ours=blocked(partial(pca.fit, pca.Hypers(), num_components=256), x),
        peer=lambda: decomposition.PCA(svd_solver="full").fit(x),
    )


def _accuracies(predict: Callable[..., Any], x: np.ndarray, y: np.ndarray) -> tuple[Callable, Callable]:
    """Of our model and of scikit-learn's, on rows that they have not seen."""
    predict = jax.jit(predict)
    return lambda model: np.mean(np.argmax(predict(model, x), axis=1) == y), lambda model: model.score(x, y)


def decision_tree() -> Case:
    """Classification tree of depth 8, 20,000 x 30, 5 classes: 255 bins beside scikit-learn's exact splits."""
    x, y = class_data(25_000, 30, 5)
    fit = partial(tree.fit, tree.Hypers(), num_classes=5, max_depth=8)
    return Case(
        blocked(fit, x[:20_000], y[:20_000]),
        lambda: peer_tree.DecisionTreeClassifier(max_depth=8, random_state=0).fit(x[:20_000], y[:20_000]),
        "held-out accuracy",
        *_accuracies(tree.predict, x[20_000:], y[20_000:]),
    )


def random_forest() -> Case:
    """100 such trees, each node choosing from 5 features: 64 bins beside scikit-learn's exact splits."""
    x, y = class_data(25_000, 30, 5)
    fit = partial(forest.fit, tree.Hypers(), num_classes=5, max_depth=8)
    peer = ensemble.RandomForestClassifier(100, max_depth=8, n_jobs=CORES, random_state=0)
    return Case(
        blocked(lambda x, y: fit(x, y, key=jax.random.key(0)), x[:20_000], y[:20_000]),
        lambda: peer.fit(x[:20_000], y[:20_000]),
        "held-out accuracy",
        *_accuracies(forest.predict, x[20_000:], y[20_000:]),
    )


def gradient_boosting() -> Case:
    """100 stages of depth 5, 20,000 x 30, 2 classes: 64 bins beside HistGradientBoosting's 255."""
    x, y = class_data(25_000, 30, 2)
    fit = partial(boosting.fit, boosting.Hypers(), loss=boosting_losses.logistic, max_depth=5)
    peer = ensemble.HistGradientBoostingClassifier(max_iter=100, max_depth=5, max_leaf_nodes=None, early_stopping=False)
    return Case(
        blocked(lambda x, y: fit(x, y, key=jax.random.key(0)), x[:20_000], y[:20_000]),
        lambda: peer.fit(x[:20_000], y[:20_000]),
        "held-out accuracy",
        *_accuracies(partial(boosting.predict, loss=boosting_losses.logistic), x[20_000:], y[20_000:]),
    )


def embedding() -> Case:
    """t-SNE of 1,797 digits, exact, beside scikit-learn's Barnes-Hut approximation."""
    x = datasets.load_digits().data.astype(np.float32)
    return Case(
        blocked(partial(tsne.fit, tsne.Hypers()), x),
        lambda: manifold.TSNE(random_state=0, n_jobs=CORES).fit(x),
        "divergence in nats",
        lambda model: model.kl,
        lambda model: model.kl_divergence_,
    )


def grid_logistic() -> Case:
    """32 values of C x 5 folds of multinomial logistic regression on digits, scored, beside GridSearchCV."""
    x, y = datasets.load_digits(return_X_y=True)
    x, y = x.astype(np.float32), y.astype(np.int32)
    values = np.logspace(-4, 4, 32)
    peer = model_selection.GridSearchCV(
        linear_model.LogisticRegression(max_iter=1000), {"C": values}, cv=5, n_jobs=CORES, refit=False
    )
    hypers = grid(logistic.Hypers(), C=values.tolist())
    ours = _searched(logistic.logistic(10), hypers, accuracy, stratified(y, 5), (x, y))
    return Case(ours, lambda: peer.fit(x, y), "best mean accuracy", _best_of_ours, lambda search: search.best_score_)


def grid_ridge() -> Case:
    """100 ridge penalties x 5 folds, 20,000 x 100, scored, beside GridSearchCV."""
    x, y = linear_data(20_000, 100)
    values = np.logspace(-3, 5, 100)
    peer = model_selection.GridSearchCV(linear_model.Ridge(), {"alpha": values}, cv=5, n_jobs=CORES, refit=False)
    hypers = grid(linear.Hypers(), alpha=values.tolist())
    ours = _searched(linear.ridge(), hypers, r2, k_fold(len(y), 5), (x, y))
    return Case(ours, lambda: peer.fit(x, y), "best mean R2", _best_of_ours, lambda search: search.best_score_)


def _searched(
    estimator: Estimator, hypers: Hypers, metric: Any, fold_of_row: np.ndarray, rows: tuple[np.ndarray, np.ndarray]
) -> Callable[[], Any]:
    """Our cross-validation of every setting, on rows x, y that are on the device already."""
    folds, metrics = jax.device_put(partition(fold_of_row)), {"score": metric}
    hypers, (x, y) = jax.device_put((jax.tree.map(jnp.asarray, hypers), rows))
    return lambda: jax.block_until_ready(cross_validate(estimator, hypers, folds, x, y, metrics=metrics))


def _best_of_ours(scores: Any) -> float:
    return float(np.max(np.mean(scores.test["score"], axis=(0, 2))))


CASES: dict[str, Callable[[], Case]] = {
    "linear_regression": least_squares,
    "ridge": ridge,
    "lasso": lasso_case,
    "logistic": logistic_case,
    "naive_bayes": gaussian_naive_bayes,
    "linear_svm": linear_svm_case,
    "rbf_svm": rbf_svm,
    "knn": nearest_neighbours,
    "kmeans": k_means,
    "gmm": mixture_case,
    "pca": principal_components,
    "pca_all": principal_components_full,
    "tree": decision_tree,
    "forest": random_forest,
    "boosting": gradient_boosting,
    "tsne": embedding,
    "grid_logistic": grid_logistic,
    "grid_ridge": grid_ridge,
}
"""By name."""
