"""The classical table of MNIST: six methods beside scikit-learn, on the same rows.

    python experiments/classical/mnist_table.py
    python experiments/classical/mnist_table.py --data fashion_mnist --folds 0 --epochs 10 \
        --methods knn linear mlp forest

By default 5,000 digits in four folds: 3,750 rows to fit and 1,250 to test, where the published figures, strokes in the
picture, come from 60,000 and 10,000: errors are higher, and what can be compared is ours and scikit-learn's, from the
same rows in the same run. `--folds 0` takes the split of the set itself. Published: scikit-learn's bench_mnist.py
(multi-layer perceptron 2.24 %, Nystroem SVM 2.28 %, random forest 3.18 %, linear 8.24 %, CART 12.19 %) and LeCun's page
(3 nearest neighbours 3.09 %).

Expected: wrong digits, ours and scikit-learn's, 4.0 and 4.1 % (support vectors), 6.8 and 6.8 % (neighbours), 6.9 and
7.1 % (forest), 7.5 and 6.5 % (perceptron), 10.2 and 10.2 % (linear), 22.5 and 22.4 % (tree); two minutes on 2 cores.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mlr_jax.classical import forest, kernel_svm, knn, logistic, tree
from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.on_device import on_device
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.schedules import one_cycle
from mlr_jax.core.types import Estimator
from mlr_jax.data.arrays import Arrays
from mlr_jax.data.images import load_images
from mlr_jax.experiment.folded import FoldSettings, folds_of, image_rows, rows_of_fold
from mlr_jax.experiment.image_classifier import naming
from mlr_jax.experiment.stopwatch import Stopwatch
from mlr_jax.experiment.study import Findings, Picture, Study, Table, check_least, main
from mlr_jax.nn.mlp import MLP
from mlr_jax.report import figures
from mlr_jax.report.statistics import interval
from mlr_jax.supervised import classification

HIDDEN = (100, 100)
BATCH = 200
DEPTH = 12


@dataclass(frozen=True)
class Config(FoldSettings):
    """The classical table of MNIST."""

    data: str = "mnist5k"
    """digits, mnist5k, fashion_mnist, tfds:NAME, or a path."""
    rows: int = 70_000
    """The most rows of it to use, where it is cut into folds."""
    folds: int = 4
    """Parts that take turns as the test set; 0 takes the split of the set itself, once."""
    methods: tuple[str, ...] = ()
    """Which methods to run; all where none is named."""
    peers: bool = True
    """Run scikit-learn's too."""
    epochs: int = 20
    """How often the network sees each row."""
    trees: int = 50
    """Trees of the forest."""


TINY = {"data": "digits", "folds": 2, "rows": 200, "epochs": 3, "trees": 3, "methods": ("knn", "mlp")}


class Split(NamedTuple):
    """Rows to fit and rows to test, x [N, D] and y [N]."""

    fit: Arrays
    test: Arrays


class Problem(NamedTuple):
    """Splits of one set, what they belong to, its classes, and the shape of an image."""

    splits: list[Split]
    members: list[dict[str, Any]]
    class_names: tuple[str, ...]
    shape: tuple[int, ...]


class Method(NamedTuple):
    """A row of the table: ours, scikit-learn's, and the published error in percent of nearly the same."""

    title: str
    estimator: Estimator
    hypers: Any
    peer: Callable[[int], Any]
    published: float


def build(config: Config) -> Study:
    """The study."""
    check_least(config, rows=100, epochs=1, trees=1, folds=0)
    problem = problem_of(config)
    methods = methods_of(config, problem.splits[0].fit["x"].shape, len(problem.class_names))
    for name in config.methods:
        if name not in methods:
            raise ValueError(f"--methods: got {name!r}, allowed are {', '.join(methods)}")
    chosen = {name: methods[name] for name in config.methods or methods}
    return Study(problem.members, lambda watch: measure(config.peers, chosen, problem, watch))


def problem_of(config: Config) -> Problem:
    """Folds, or the split of the set itself. Raises ValueError for a set that is not there."""
    if config.folds:
        x, y, class_names, shape = image_rows(config.data, config.rows)
        folds, members = folds_of(config, y)
        both = (rows_of_fold(folds, fold) for fold in range(len(members)))
        splits = [Split(*({"x": x[rows], "y": y[rows]} for rows in pair)) for pair in both]
        return Problem(splits, members, class_names, shape)
    dataset = naming("--data", load_images, config.data)
    parts = [{"x": part["x"].reshape(len(part["y"]), -1), "y": part["y"]} for part in (dataset.train, dataset.test)]
    return Problem([Split(*parts)], [{"seed": config.seed}], dataset.class_names, dataset.train["x"].shape[1:])


def methods_of(config: Config, shape: tuple[int, ...], classes: int) -> dict[str, Method]:
    """The rows of the table, with settings close to those of the published figures."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    rows, columns = shape
    batch = min(BATCH, rows)
    trees: dict[str, Any] = {"num_classes": classes, "num_trees": config.trees, "max_depth": DEPTH}
    epochs = {"max_iter": config.epochs, "batch_size": batch}
    return {
        "svm": Method(
            "RBF support vectors", kernel_svm.kernel_svm(num_classes=classes), kernel_svm.Hypers(C=10.0),
            lambda seed: SVC(C=10.0), 2.28,
        ),
        "mlp": Method(
            "multi-layer perceptron", network(columns, classes, config.epochs * rows // batch, batch),
            classification.Hypers(weight_decay=1e-2),
            lambda seed: MLPClassifier(HIDDEN, **epochs, random_state=seed), 2.24,
        ),
        "forest": Method(
            f"random forest, {config.trees} trees", forest.random_forest_classifier(**trees), forest.Hypers(),
            lambda seed: RandomForestClassifier(config.trees, max_depth=DEPTH, random_state=seed, n_jobs=2), 3.18,
        ),
        "knn": Method(
            "3 nearest neighbours", knn.knn_classifier(num_classes=classes, k=3), knn.Hypers(),
            lambda seed: KNeighborsClassifier(3), 3.09,
        ),
        "linear": Method(
            "logistic regression", logistic.logistic(num_classes=classes), logistic.Hypers(C=0.02, tolerance=1e-4),
            lambda seed: LogisticRegression(C=0.02, max_iter=1000), 8.24,
        ),
        "tree": Method(
            "decision tree", tree.tree_classifier(num_classes=classes, max_depth=DEPTH), tree.Hypers(),
            lambda seed: DecisionTreeClassifier(max_depth=DEPTH, random_state=seed), 12.19,
        ),
    }  # fmt: skip


def network(columns: int, classes: int, steps: int, batch_size: int) -> Estimator:
    """A multi-layer perceptron, trained for some steps by AdamW on a one-cycle schedule."""
    model = MLP(HIDDEN, classes)
    task = classification.classification(model, (columns,))
    learner = on_device(gradient_learner(task, adamw(one_cycle(steps))), batch_size)

    def fit(key: Any, hypers: Any, x: jax.Array, y: jax.Array, weight: jax.Array) -> Any:
        rows = {"x": x, "y": y, "mask": weight}
        state, _ = lax.scan(lambda state, _: learner.step(state, rows), learner.init(key, hypers), length=steps)
        return {"params": state.inner.params, **state.inner.collections}

    return Estimator(fit, lambda variables, x: classification.predict(model, variables, x))


def measure(peers: bool, methods: dict[str, Method], problem: Problem, watch: Stopwatch) -> Findings:
    """Every method on every split, ours and scikit-learn's."""
    scores = {name: run(method, problem.splits, watch) for name, method in methods.items()}
    ours = {name: np.array(list(map(wrong, found, problem.splits))) for name, found in scores.items()}
    theirs = {name: run_peer(method, problem.splits, watch) for name, method in methods.items() if peers}
    ranked = sorted(methods, key=lambda name: ours[name].mean())
    rows = [
        (
            methods[name].title, interval(ours[name]), by_chance(ours[name].mean(), problem),
            *((interval(theirs[name]), interval(ours[name] - theirs[name])) if peers else (None, None)),
            methods[name].published / 100,
        )
        for name in ranked
    ]  # fmt: skip
    columns = ("", "ours", "± by chance of the test rows", "scikit-learn", "difference", "published, MNIST of 60,000")
    metrics = {f"error_{name}": values for name, values in ours.items()}
    metrics |= {f"error_{name}_scikit_learn": values for name, values in theirs.items()}
    errors = {
        methods[name].title: {"ours": ours[name]} | ({"scikit-learn": theirs[name]} if peers else {}) for name in ranked
    }
    published = {method.title: method.published / 100 for method in methods.values()}
    drawn = {
        "errors": Picture(
            figures.comparison(errors, "test error", marks=published),
            "Folds, their mean and its interval; strokes are published, from sixteen times as many rows of MNIST.",
        ),
        **mistakes(methods[ranked[0]].title, scores[ranked[0]], problem),
    }
    return Findings(metrics, [Table("Test error", columns, rows)], drawn)


def by_chance(error: float, problem: Problem) -> str:
    """Half width of the 95 % interval that an error has by the number of test rows alone (binomial)."""
    rows = sum(len(split.test["y"]) for split in problem.splits)
    return f"{1.96 * np.sqrt(error * (1 - error) / rows):.4f}"


def mistakes(title: str, scores: list[np.ndarray], problem: Problem) -> dict[str, Picture]:
    """What the best method takes for what, and the mistakes that it makes most clearly."""
    x, y = (np.concatenate([split.test[name] for split in problem.splits]) for name in ("x", "y"))
    every = np.concatenate(scores)
    shares = np.exp(every - every.max(1, keepdims=True)) if every.min() < 0 or every.max() > 1 else every
    shares = shares / shares.sum(1, keepdims=True)
    images = x.reshape(-1, *problem.shape)
    return {
        "confusion_matrix": Picture(
            figures.confusion_matrix(y, every.argmax(1), problem.class_names), f"The best, {title}, on all test rows."
        ),
        "worst_mistakes": Picture(
            figures.worst_mistakes(images, y, shares, problem.class_names),
            f"Its clearest mistakes: true class → {title}.",
        ),
    }


def run(method: Method, splits: list[Split], watch: Stopwatch) -> list[np.ndarray]:
    """Scores of the test rows of each split."""

    @jax.jit
    def program(key: Any, x: jax.Array, y: jax.Array, queries: jax.Array) -> jax.Array:
        model = method.estimator.fit(key, method.hypers, x, y, jnp.ones(len(x)))
        return method.estimator.predict(model, queries)

    calls = [
        (jax.random.key(number), split.fit["x"], split.fit["y"], split.test["x"]) for number, split in enumerate(splits)
    ]
    return [np.asarray(scores) for scores in watch.compiled_each(f"{method.title}: fit and predict", program, calls)]


def run_peer(method: Method, splits: list[Split], watch: Stopwatch) -> np.ndarray:
    """scikit-learn's error on each split."""
    from sklearn.exceptions import ConvergenceWarning

    def fit_and_predict(seed: int, split: Split) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # its network sees as many epochs as ours
            return method.peer(seed).fit(split.fit["x"], split.fit["y"]).predict(split.test["x"])

    found = watch.plain_each(f"{method.title}, scikit-learn", fit_and_predict, list(enumerate(splits)))
    return np.array([np.mean(predicted != split.test["y"]) for predicted, split in zip(found, splits, strict=True)])


def wrong(scores: np.ndarray, split: Split) -> float:
    """The share of test rows whose class has not the greatest score."""
    return float(np.mean(scores.argmax(-1) != split.test["y"]))


if __name__ == "__main__":
    main(Config, build, TINY)
