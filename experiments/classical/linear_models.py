"""Linear models: how a penalty shrinks coefficients, and how classes get probabilities.

    python experiments/classical/linear_models.py

Diabetes (442 patients, a number to predict): least squares, ridge and lasso with the paths of their coefficients.
Breast cancer (569 tumours, two classes): logistic regression and naive Bayes, and how many rows each of them needs (Ng
and Jordan, 2002). Five folds; scikit-learn is fitted on the same. All penalties and folds are one compiled program.

Expected: root mean squared error 54.6 +- 5.0 (least squares), 54.6 +- 4.4 (ridge) and 54.6 +- 4.2 (lasso); wrong
tumours 1.6 +- 1.2 % (logistic) and 6.5 +- 2.2 % (naive Bayes); scikit-learn the same. About a minute on 2 cores.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.classical import lasso, linear, logistic, naive_bayes
from mlr_jax.core.types import Estimator
from mlr_jax.data.preprocessing import preprocessed
from mlr_jax.data.tabular import load_tabular, standardise, whole
from mlr_jax.experiment.folded import (
    BESIDE_PEER,
    FoldSettings,
    beside_peer,
    by_setting,
    error,
    fewer_rows,
    folds_of,
    peer_scores,
    wrong_share,
)
from mlr_jax.experiment.stopwatch import Stopwatch
from mlr_jax.experiment.study import Findings, Picture, Study, Table, check_least, main
from mlr_jax.ops.metrics.regression import root_mean_squared_error
from mlr_jax.report import figures, regions
from mlr_jax.tune.cross_validation import cross_val_predict, cross_validate
from mlr_jax.tune.folds import Folds
from mlr_jax.tune.grid import grid


@dataclass(frozen=True)
class Config(FoldSettings):
    """Linear models."""

    penalties: int = 60
    """Values of each penalty."""


TINY = {"folds": 2, "penalties": 4}

DIABETES_NAMES = {
    "s1": "total cholesterol", "s2": "LDL", "s3": "HDL", "s4": "cholesterol / HDL", "s5": "log triglycerides",
    "s6": "blood sugar", "bp": "blood pressure",
}  # fmt: skip


class Rows(NamedTuple):
    """x [N, D], y [N] and their folds."""

    x: np.ndarray
    y: np.ndarray
    folds: Folds


def build(config: Config) -> Study:
    """The study."""
    check_least(config, penalties=2)
    (x, y), (cells, kinds) = whole(load_tabular("diabetes")), whole(load_tabular("breast_cancer"))
    folds, members = folds_of(config, y)
    diabetes, cancer = Rows(x, y, folds), Rows(cells, kinds, folds_of(config, kinds)[0])
    return Study(members, lambda watch: measure(config.penalties, diabetes, cancer, watch))


def measure(count: int, diabetes: Rows, cancer: Rows, watch: Stopwatch) -> Findings:
    """Both sets."""
    regression, regression_pictures = regress(count, diabetes, watch)
    classification, classification_pictures = classify(count, cancer, watch)
    metrics = {**regression, **classification}
    names = [name for name in metrics if f"{name}_scikit_learn" in metrics]
    table = Table(
        "Held-out rows: root mean squared error, and share of wrong classes", BESIDE_PEER, beside_peer(metrics, names)
    )
    return Findings(metrics, [table], {**regression_pictures, **classification_pictures})


def regress(count: int, rows: Rows, watch: Stopwatch) -> tuple[dict[str, np.ndarray], dict[str, Picture]]:
    """Least squares, ridge and lasso on diabetes."""
    from sklearn import linear_model

    penalties = np.geomspace(1e-2, 1e4, count), np.geomspace(1e-2, 30, count)
    models: dict[str, tuple[Estimator, Any, Any]] = {
        "least_squares": (
            scaled(linear.least_squares(), rows.x),
            linear.NoHypers(),
            lambda alpha: linear_model.LinearRegression(),
        ),
        "ridge": (
            scaled(linear.ridge(), rows.x),
            grid(linear.Hypers(), alpha=penalties[0].tolist()),
            linear_model.Ridge,
        ),
        "lasso": (
            scaled(lasso.lasso(), rows.x),
            grid(lasso.Hypers(tolerance=1e-6), alpha=penalties[1].tolist()),
            lambda alpha: linear_model.Lasso(alpha, tol=1e-6, max_iter=100_000),
        ),
    }
    metrics, panels, chosen = {}, {}, {}
    for name, (estimator, hypers, make) in models.items():
        what = f"{name}, {len(hypers.alpha) if hypers else 1} penalties, {len(rows.folds.train)} folds"
        test, train = watch.compiled(what, errors, rows, estimator, hypers, root_mean_squared_error)
        best = int(test.mean(1).argmin())
        metrics[f"rmse_{name}"] = test[best]
        alpha = float(hypers.alpha[best]) if hypers else 0.0
        metrics[f"rmse_{name}_scikit_learn"] = peers(rows, make(alpha), root_mean_square)
        if hypers:
            panels[name.capitalize()] = (hypers.alpha, {"fitted": train, "held out": test})
            chosen[name] = alpha
    return metrics, {
        "penalties": Picture(
            figures.score_curves(panels, "penalty", "root mean squared error", best=dict.fromkeys(panels, "held out")),
            "A small penalty costs nothing on held-out rows, a large one forgets the data.",
        ),
        "paths": Picture(
            paths(rows, penalties, chosen),
            "Ridge shrinks all coefficients together, lasso sets them to zero one by one. Dotted: the best penalty.",
        ),
    }


def classify(count: int, rows: Rows, watch: Stopwatch) -> tuple[dict[str, np.ndarray], dict[str, Picture]]:
    """Logistic regression and naive Bayes on breast cancer."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB

    malignant = load_tabular("breast_cancer").class_names.index("malignant")
    prices = grid(logistic.Hypers(tolerance=1e-5), C=np.geomspace(1e-3, 1e3, count).tolist())
    machine = scaled(logistic.logistic(num_classes=2), rows.x)
    bayes = scaled(naive_bayes.naive_bayes(naive_bayes.gaussian, num_classes=2), rows.x)
    smooth = naive_bayes.GaussianHypers()
    what = f"logistic, {count} penalties, {len(rows.folds.train)} folds"
    test, train = watch.compiled(what, errors, rows, machine, prices, error)
    plain, _ = watch.compiled("naive Bayes", errors, rows, bayes, smooth, error)
    best = int(test.mean(1).argmin())
    C = float(prices.C[best])
    metrics = {
        "error_logistic": test[best],
        "error_logistic_scikit_learn": peers(rows, LogisticRegression(C=C, max_iter=10_000)),
        "error_naive_bayes": plain[0],
        "error_naive_bayes_scikit_learn": peers(rows, GaussianNB()),
    }
    candidates = {"logistic": (machine, prices._replace(C=C)), "naive Bayes": (bayes, smooth)}
    probabilities = {
        name: np.asarray(cross_val_predict(estimator, hypers, rows.folds, rows.x, rows.y))[:, malignant]
        for name, (estimator, hypers) in candidates.items()
    }
    curves: Any = {
        "Logistic regression over C": (prices.C, {"fitted": train, "held out": test}),
        "Over the number of rows": rows_needed(candidates, rows),
    }
    scores = {name: ((rows.y == malignant).astype(int), p) for name, p in probabilities.items()}
    return metrics, {
        "classification_curves": Picture(
            figures.score_curves(
                curves, ["C, the inverse of the penalty", "rows fitted"], "error",
                best={"Logistic regression over C": "held out"},
            ),
            "Naive Bayes is there with few rows and gains little from more; logistic regression overtakes it.",
        ),
        "scores": Picture(
            figures.score_quality(scores),
            "Both rank tumours well, but naive Bayes counts the same evidence many times and is far too sure.",
        ),
        "regions": Picture(regions_of_iris(), "Iris flowers: straight borders, and the curved ones of normal classes."),
    }  # fmt: skip


def scaled(estimator: Estimator, x: np.ndarray) -> Estimator:
    """The estimator on columns standardised by the rows that it fits."""
    return preprocessed(estimator, (0,) * x.shape[1])


def peers(rows: Rows, model: Any, metric: Any = wrong_share) -> np.ndarray:
    """The same for scikit-learn, fitted and scored on each fold."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return peer_scores(lambda: make_pipeline(StandardScaler(), model), rows.folds, rows.x, rows.y, metric)


def root_mean_square(y: np.ndarray, predicted: np.ndarray) -> float:
    """Root of the mean squared difference."""
    return float(np.sqrt(np.mean((y - predicted) ** 2)))


def errors(rows: Rows, estimator: Estimator, hypers: Any, metric: Any) -> tuple[np.ndarray, np.ndarray]:
    """Error of each setting and fold on the rows held out and on those fitted: two arrays [M, F]."""
    scores = cross_validate(estimator, hypers, rows.folds, rows.x, rows.y, metrics={"score": metric}, train_scores=True)
    return by_setting(scores.test, "score"), by_setting(scores.train, "score")


def paths(rows: Rows, penalties: tuple[np.ndarray, np.ndarray], chosen: dict[str, float]):
    """Coefficients of ridge and of lasso over their penalties, on all rows."""
    x, y = jnp.asarray(standardise(rows.x)[0]), jnp.asarray(rows.y)
    names = [DIABETES_NAMES.get(name, name) for name in load_tabular("diabetes").feature_names]

    ridge = jax.jit(jax.vmap(lambda a: linear.fit(linear.Hypers(a), x, y).coefficients))(penalties[0])
    sparse = jax.jit(jax.vmap(lambda a: lasso.fit(lasso.Hypers(a), x, y).coefficients))(penalties[1])
    panels = {"Ridge": (penalties[0], ridge), "Lasso": (penalties[1], sparse)}
    return figures.coefficient_paths(panels, names, {"Ridge": chosen["ridge"], "Lasso": chosen["lasso"]})


def rows_needed(candidates: dict[str, tuple[Estimator, Any]], rows: Rows):
    """Numbers of rows, and by model the held-out error of each fold when only so many rows are fitted."""
    sizes, fewer = fewer_rows(rows.folds, 10, 8)
    curves = {
        name: np.stack([errors(rows._replace(folds=folds), *model, error)[0][0] for folds in fewer])
        for name, model in candidates.items()
    }
    return sizes, curves


def regions_of_iris():
    """Regions of logistic regression and of naive Bayes in the plane of two features."""
    table = load_tabular("iris")
    x, y = whole(table)
    x = x[:, 2:]
    plane = regions.plane(x)
    models: dict[str, tuple[Estimator, Any]] = {
        "Logistic regression, C = 0.1": (logistic.logistic(num_classes=3), logistic.Hypers(C=0.1)),
        "Logistic regression, C = 100": (logistic.logistic(num_classes=3), logistic.Hypers(C=100.0)),
        "Gaussian naive Bayes": (
            naive_bayes.naive_bayes(naive_bayes.gaussian, num_classes=3),
            naive_bayes.GaussianHypers(),
        ),
    }
    panels = []
    for title, (estimator, hypers) in models.items():

        def program(x: jax.Array, y: jax.Array, rows: jax.Array, estimator=estimator, hypers=hypers) -> jax.Array:
            return estimator.predict(estimator.fit(jax.random.key(0), hypers, x, y, jnp.ones(len(x))), rows)

        shares = np.asarray(jax.jit(program)(x, y, plane.rows)).reshape(len(plane.ys), len(plane.xs), 3)
        panels.append(regions.Panel(title, shares, x, y))
    return figures.decision_regions(panels, plane, table.class_names, ("petal length (cm)", "petal width (cm)"))


if __name__ == "__main__":
    main(Config, build, TINY)
