"""Classical algorithms, each a fit of ours beside scikit-learn's at the same settings: ours blocked until it is there.

The number beside each fit, by which it is seen to be the same work, stands in the docstring of the case.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn import datasets

from benchmarks.case import Asked, Case, Make, Program, Work, computed
from benchmarks.cases.tables import blobs, class_data, linear_data, mixed
from benchmarks.peers import scikit_learn
from benchmarks.peers.scikit_learn import fitting
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
)
from mlr_jax.ops.kernels import rbf


def linear_regression(asked: Asked) -> Case:
    """Linear regression, 100,000 x 100: mean squared error."""
    return _least_squares(asked, linear.Hypers(0.0), scikit_learn.least_squares())


def ridge(asked: Asked) -> Case:
    """Ridge, 100,000 x 100: mean squared error."""
    return _least_squares(asked, linear.Hypers(1.0), scikit_learn.ridge())


def lasso_case(asked: Asked) -> Case:
    """Lasso, 10,000 x 200, to a duality gap of 1e-4 |y|²: the objective."""
    rows, alpha = asked.of(10_000, 200), 0.1
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 200)).astype(np.float32)
    y = (x[:, :20] @ rng.normal(size=20) + rng.normal(size=rows)).astype(np.float32)

    def objective(coefficients: Any, intercept: Any) -> float:
        errors = y - x @ np.asarray(coefficients) - np.asarray(intercept)
        return float(np.mean(errors**2) / 2 + alpha * np.abs(coefficients).sum())

    ours = computed(
        partial(lasso.fit, lasso.Hypers(alpha)), x, y, number=lambda m: objective(m.coefficients, m.intercept)
    )
    peer = Work(fitting(scikit_learn.lasso(alpha), x, y), lambda m: objective(m.coef_, m.intercept_))
    return _case(asked, ours, peer, rows)


def logistic_case(asked: Asked) -> Case:
    """Multinomial, 50,000 x 100 x 10 classes, C = 1, gradient of the mean loss below 1e-4: the objective."""
    x, y = class_data(asked.of(50_000, 200), asked.of(100, 10), 10)

    def objective(probabilities: Any, coefficients: Any) -> float:
        losses = -np.log(np.asarray(probabilities, np.float64)[np.arange(len(y)), y])
        return float(losses.mean() + 0.5 * np.sum(np.square(coefficients)) / len(y))

    ours = computed(
        partial(logistic.fit, logistic.Hypers(1.0), num_classes=10),
        x,
        y,
        number=lambda m: objective(logistic.predict(m, jnp.asarray(x)), m.coefficients),
    )
    peer = Work(fitting(scikit_learn.logistic(), x, y), lambda m: objective(m.predict_proba(x), m.coef_))
    return _case(asked, ours, peer, len(x))


def gaussian_naive_bayes(asked: Asked) -> Case:
    """Gaussian naive Bayes, 100,000 x 100, 10 classes: accuracy."""
    x, y = class_data(asked.of(100_000, 200), asked.of(100, 10), 10)
    fit = partial(naive_bayes.fit, naive_bayes.GaussianHypers(), likelihood=naive_bayes.gaussian, num_classes=10)
    peer = Work(fitting(scikit_learn.gaussian_naive_bayes(), x, y), lambda m: m.score(x, y))
    return _case(asked, computed(fit, x, y, number=_accuracy(naive_bayes.predict, x, y)), peer, len(x))


def linear_svm_case(asked: Asked) -> Case:
    """Linear support vector classifier, 5,000 x 50, squared hinge, C = 1: the objective."""
    x, y = class_data(asked.of(5_000, 100), asked.of(50, 8), 2)

    def objective(coefficients: Any, intercept: Any) -> float:
        w, b = np.asarray(coefficients).ravel(), np.asarray(intercept).item()
        margin = np.maximum(0, 1 - (2 * y - 1) * (x @ w + b))
        return float(0.5 * (w @ w + b * b) + np.sum(margin**2))

    ours = computed(
        partial(linear_svm.fit, linear_svm.Hypers(), num_classes=2),
        x,
        y,
        number=lambda m: objective(m.coefficients, m.intercept),
    )
    peer = Work(fitting(scikit_learn.linear_svm(), x, y), lambda m: objective(m.coef_, m.intercept_))
    return _case(asked, ours, peer, len(x))


def rbf_svm(asked: Asked) -> Case:
    """Support vector classifier with an RBF kernel, 5,000 x 50, C = 1, KKT tolerance 1e-3: accuracy."""
    x, y = class_data(asked.of(5_000, 100), asked.of(50, 8), 2)
    estimator = kernel_svm.kernel_svm(num_classes=2, kernel=rbf())
    fit = partial(kernel_svm.fit, kernel_svm.Hypers(), num_classes=2, kernel=rbf())
    peer = Work(fitting(scikit_learn.rbf_svm(), x, y), lambda m: m.score(x, y))
    return _case(asked, computed(fit, x, y, number=_accuracy(estimator.predict, x, y)), peer, len(x))


def nearest_neighbours(asked: Asked) -> Case:
    """5 nearest of 20,000 rows for each of 2,000 queries, 64 columns, brute force: the mean distance."""
    rows, queries = asked.of(20_000, 200), asked.of(2_000, 20)
    x = np.random.default_rng(0).normal(size=(rows + queries, 64)).astype(np.float32)
    ours = computed(partial(knn.neighbours, k=5), x[:rows], x[rows:], number=lambda found: np.mean(found[0]))
    peer = Work(scikit_learn.finding(x[:rows], x[rows:], 5), lambda found: np.mean(found[0]))
    return _case(asked, ours, peer, queries)


def k_means(asked: Asked) -> Case:
    """20 of Lloyd's iterations, 100,000 x 32, 16 centres, from the same ones: the inertia."""
    x = blobs(asked.of(100_000, 200), 32, 16)
    start = x[np.random.default_rng(0).choice(len(x), 16, replace=False)]
    fit = partial(kmeans.lloyd, kmeans.Hypers(0.0), max_iterations=20)
    peer = Work(fitting(scikit_learn.k_means(start, 20), x), lambda m: m.inertia_)
    return _case(asked, computed(fit, x, start, number=lambda m: m.inertia), peer, len(x))


def mixture(asked: Asked) -> Case:
    """Mixture of 8 full Gaussians by EM, 50,000 x 16, from k-means: the mean log-likelihood."""
    x = blobs(asked.of(50_000, 200), 16, 8)
    fit = partial(gmm.fit, gmm.Hypers(), num_components=8)
    ours = computed(lambda x: fit(x, key=jax.random.key(0)), x, number=lambda m: np.mean(gmm.score_samples(m, x)))
    peer = Work(fitting(scikit_learn.gaussian_mixture(8), x), lambda m: m.score(x))
    return _case(asked, ours, peer, len(x))


def principal_components(asked: Asked) -> Case:
    """10 principal components, 50,000 x 256, by the covariance matrix: the variance explained."""
    return _components(asked, 10, scikit_learn.pca(10))


def principal_components_full(asked: Asked) -> Case:
    """All of them, beside scikit-learn's full singular value decomposition."""
    return _components(asked, asked.of(256, 16), scikit_learn.pca_full())


def decision_tree(asked: Asked) -> Case:
    """Depth 8, 20,000 x 30, 5 classes, 255 bins beside exact splits: held-out accuracy."""
    (x, y), held_out = _halves(asked, 5)
    depth = asked.of(8, 3)
    fit = partial(tree.fit, tree.Hypers(), num_classes=5, max_depth=depth)
    peer = Work(fitting(scikit_learn.decision_tree(depth), x, y), lambda m: m.score(*held_out))
    return _case(asked, computed(fit, x, y, number=_accuracy(tree.predict, *held_out)), peer, len(x))


def random_forest(asked: Asked) -> Case:
    """100 such trees, each node choosing from 5 features, 64 bins beside exact splits: held-out accuracy."""
    (x, y), held_out = _halves(asked, 5)
    trees, depth = asked.of(100, 2), asked.of(8, 3)
    fit = partial(forest.fit, tree.Hypers(), num_classes=5, max_depth=depth, num_trees=trees)
    ours = computed(lambda x, y: fit(x, y, key=jax.random.key(0)), x, y, number=_accuracy(forest.predict, *held_out))
    peer = Work(fitting(scikit_learn.random_forest(trees, depth), x, y), lambda m: m.score(*held_out))
    return _case(asked, ours, peer, len(x))


def gradient_boosting(asked: Asked) -> Case:
    """100 stages of depth 5, 20,000 x 30, 2 classes, 64 bins beside 255: held-out accuracy."""
    (x, y), held_out = _halves(asked, 2)
    stages, depth, loss = asked.of(100, 2), asked.of(5, 2), boosting_losses.logistic
    fit = partial(boosting.fit, boosting.Hypers(), loss=loss, max_depth=depth, num_trees=stages)
    predict = partial(boosting.predict, loss=loss)
    ours = computed(lambda x, y: fit(x, y, key=jax.random.key(0)), x, y, number=_accuracy(predict, *held_out))
    peer = Work(fitting(scikit_learn.boosting(stages, depth), x, y), lambda m: m.score(*held_out))
    return _case(asked, ours, peer, len(x))


def embedding(asked: Asked) -> Case:
    """t-SNE of 1,797 digits, exact, beside Barnes and Hut's approximation: the divergence in nats."""
    x = datasets.load_digits().data[: asked.of(1797, 100)].astype(np.float32)
    fit = partial(tsne.fit, tsne.Hypers(), iterations=asked.of(1000, 20), early_iterations=asked.of(250, 5))
    ours = computed(fit, x, number=lambda m: m.kl)
    peer = Work(fitting(scikit_learn.tsne(), x), lambda m: m.kl_divergence_)
    return _case(asked, ours, peer, len(x))


CASES: dict[str, Make] = {
    "linear_regression": linear_regression,
    "ridge": ridge,
    "lasso": lasso_case,
    "logistic": logistic_case,
    "naive_bayes": gaussian_naive_bayes,
    "linear_svm": linear_svm_case,
    "rbf_svm": rbf_svm,
    "knn": nearest_neighbours,
    "kmeans": k_means,
    "gmm": mixture,
    "pca": principal_components,
    "pca_all": principal_components_full,
    "tree": decision_tree,
    "forest": random_forest,
    "boosting": gradient_boosting,
    "tsne": embedding,
}


def _case(asked: Asked, ours: Program, peer: Work, rows: int) -> Case:
    return Case({"ours": ours}, {"scikit-learn": peer} if asked.peers else {}, rows, "rows")


def _least_squares(asked: Asked, hypers: linear.Hypers, estimator: Any) -> Case:
    x, y = linear_data(asked.of(100_000, 200), asked.of(100, 10))

    def error(predict: Callable[[Any], Any]) -> Any:
        return np.mean((np.asarray(predict(x)) - y) ** 2)

    ours = computed(
        partial(linear.fit, hypers), x, y, number=lambda m: error(lambda x: linear.predict(m, jnp.asarray(x)))
    )
    return _case(asked, ours, Work(fitting(estimator, x, y), lambda m: error(m.predict)), len(x))


def _components(asked: Asked, count: int, estimator: Any) -> Case:
    x = mixed(asked.of(50_000, 200), asked.of(256, 16))
    ours = computed(partial(pca.fit, pca.Hypers(), num_components=count), x, number=lambda m: np.sum(m.ratio))
    return _case(asked, ours, Work(fitting(estimator, x), lambda m: np.sum(m.explained_variance_ratio_)), len(x))


def _halves(asked: Asked, classes: int) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Rows to fit, and rows held out."""
    rows = asked.of(20_000, 200)
    x, y = class_data(rows + rows // 4, 30, classes)
    return (x[:rows], y[:rows]), (x[rows:], y[rows:])


def _accuracy(predict: Callable[..., Any], x: np.ndarray, y: np.ndarray) -> Callable[[Any], Any]:
    return lambda model: np.mean(np.argmax(jax.jit(predict)(model, x), axis=1) == y)
