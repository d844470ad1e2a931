"""Decision trees, random forests and boosting: one tree that can be read, many that vote, many that add up.

    python experiments/classical/trees_and_forests.py

Iris flowers give a tree that can be read. Two moons show how forests and boosting smooth what one tree cuts into
boxes. Breast cancer (569 tumours, 30 numbers) gives the error over the depth of a tree and over the number of trees, in
five folds, beside scikit-learn, and which columns the forest leans on.

Expected: error 6.9 +- 3.1 % of the best single tree, 3.3 +- 1.4 % of the forest and 3.5 +- 2.9 % of boosting
(scikit-learn 6.7, 4.4 and 3.7 %), in two minutes on 2 cores, most of them compiling.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.classical import boosting, boosting_losses, forest, tree
from mlr_jax.classical.tree_structure import apply, values_at
from mlr_jax.core.types import Estimator
from mlr_jax.data.tabular import load_tabular, whole
from mlr_jax.experiment.folded import (
    BESIDE_PEER,
    ONE_BY_ONE,
    FoldSettings,
    beside_peer,
    by_setting,
    error,
    folds_of,
    peer_scores,
    rows_of_fold,
)
from mlr_jax.experiment.stopwatch import Stopwatch
from mlr_jax.experiment.study import Findings, Picture, Study, Table, check_least, main
from mlr_jax.report import figures, regions, trees
from mlr_jax.tune.cross_validation import cross_validate
from mlr_jax.tune.folds import Folds

BOOSTED_DEPTH = 3


@dataclass(frozen=True)
class Config(FoldSettings):
    """Trees and forests."""

    trees: int = 100
    """Trees of the forest, and of boosting."""
    depth: int = 8
    """The deepest single tree that is tried, and the depth of the forest's trees."""


TINY = {"folds": 2, "trees": 4, "depth": 2}


def build(config: Config) -> Study:
    """The study."""
    check_least(config, trees=2, depth=2)
    if config.depth > 12:
        raise ValueError(f"--depth: got {config.depth}, must be at most 12")
    x, y = whole(load_tabular("breast_cancer"))
    folds, members = folds_of(config, y)
    return Study(members, lambda watch: measure(config, x, y, folds, watch))


def measure(config: Config, x: np.ndarray, y: np.ndarray, folds: Folds, watch: Stopwatch) -> Findings:
    """Errors beside scikit-learn's, and the pictures."""
    depths = sorted({depth for depth in (1, 2, 3, 4, 6) if depth < config.depth} | {config.depth})
    by_depth = [errors_of_tree(depth, x, y, folds, watch) for depth in depths]
    test, train = (np.stack([pair[part] for pair in by_depth]) for part in (0, 1))
    best = int(test.mean(1).argmin())
    voting, weights = watch.compiled("forests, every fold", forests(config, x, folds), y, repeats=1)
    adding = watch.compiled("boosting, every fold", boosted(config, x, folds), y, repeats=1)
    votes, sums = errors_by_count(voting, y, folds, 0.5), errors_by_count(adding, y, folds, 0.0)
    metrics = {"error_tree": test[best], "error_forest": votes[-1], "error_boosting": sums[-1]}
    for name, make in peers(config, depths[best]).items():
        metrics[f"error_{name}_scikit_learn"] = watch.plain(
            f"{name}, every fold, scikit-learn", peer_scores, make, folds, x, y
        )
    counts = np.unique(np.geomspace(1, config.trees, 24).astype(int))
    curves: Any = {
        "One tree": (depths, {"fitted": train, "held out": test}),
        "Many trees, on held-out rows": (counts, {"forest": votes[counts - 1], "boosting": sums[counts - 1]}),
    }
    names = load_tabular("breast_cancer").feature_names
    pictures = {
        "iris": Picture(
            tree_of_iris(), "Bars tell which species reach a node; colours are paler where they are mixed."
        ),
        "regions": Picture(
            regions_of_moons(config), "One tree asks about one feature at a time, so it cuts boxes; many smooth them."
        ),
        "curves": Picture(
            figures.score_curves(curves, ["depth", "trees"], "error", best={"One tree": "held out"}),
            "A deep tree learns its rows by heart. More trees of a forest never overfit, they only stop helping.",
        ),
        "importances": Picture(
            figures.importances(weights, names, x_label="Share of the decrease of impurity"),
            "What the forest's splits gain by each column; columns that say the same share their importance.",
        ),
    }
    beside = beside_peer(metrics, ["error_tree", "error_forest", "error_boosting"])
    return Findings(metrics, [Table("Error on held-out rows", BESIDE_PEER, beside)], pictures)


def peers(config: Config, depth: int) -> dict[str, Any]:
    """scikit-learn's."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.tree import DecisionTreeClassifier

    booster = {"max_iter": config.trees, "max_depth": BOOSTED_DEPTH, "min_samples_leaf": 1, "early_stopping": False}
    return {
        "tree": lambda: DecisionTreeClassifier(max_depth=depth, random_state=0),
        "forest": lambda: RandomForestClassifier(config.trees, max_depth=config.depth, random_state=0),
        "boosting": lambda: HistGradientBoostingClassifier(**booster, random_state=0),
    }


def errors_of_tree(
    depth: int, x: np.ndarray, y: np.ndarray, folds: Folds, watch: Stopwatch
) -> tuple[np.ndarray, np.ndarray]:
    """Error of one tree of a depth on each fold, of rows held out and of those fitted, [F]."""
    estimator = tree.tree_classifier(num_classes=2, max_depth=depth)

    def program() -> Any:
        return cross_validate(
            estimator, tree.Hypers(), folds, x, y, metrics={"error": error}, train_scores=True, layout=ONE_BY_ONE
        )

    scores = watch.compiled(f"tree of depth {depth}, every fold", program)
    return by_setting(scores.test, "error")[0], by_setting(scores.train, "error")[0]


def forests(config: Config, x: np.ndarray, folds: Folds) -> Any:
    """A program y -> P(class 1) of all rows by the first 1, 2, ... trees of each fold's forest, and importances."""
    estimator = forest.random_forest_classifier(num_classes=2, num_trees=config.trees, max_depth=config.depth)

    @jax.jit
    def program(y: jax.Array) -> tuple[jax.Array, jax.Array]:
        def of_fold(weight: jax.Array) -> tuple[jax.Array, jax.Array]:
            model = estimator.fit(jax.random.key(config.seed), forest.Hypers(), jnp.asarray(x), y, weight)
            single = jax.vmap(lambda one: values_at(one, jnp.asarray(x))[:, 1])(model.trees)
            so_far = jnp.cumsum(single, axis=0) / jnp.arange(1, config.trees + 1)[:, None]
            return so_far, forest.feature_importances(model, x.shape[1])

        return jax.lax.map(of_fold, jnp.asarray(folds.train, x.dtype))

    return program


def boosted(config: Config, x: np.ndarray, folds: Folds) -> Any:
    """A program y -> the scores of class 1, log odds, of all rows by the first 1, 2, ... trees of each fold."""
    estimator = boosting.boosting(boosting_losses.logistic, num_trees=config.trees, max_depth=BOOSTED_DEPTH)

    @jax.jit
    def program(y: jax.Array) -> jax.Array:
        def of_fold(weight: jax.Array) -> jax.Array:
            model = estimator.fit(jax.random.key(config.seed), boosting.Hypers(), jnp.asarray(x), y, weight)
            first = jax.tree.map(lambda leaf: leaf[:, 0], model.trees)
            steps = jax.vmap(lambda one: values_at(one, jnp.asarray(x)))(first)
            return model.start[0] + jnp.cumsum(steps, axis=0)

        return jax.lax.map(of_fold, jnp.asarray(folds.train, x.dtype))

    return program


def errors_by_count(scores: jax.Array, y: np.ndarray, folds: Folds, threshold: float) -> np.ndarray:
    """Error on each fold's test rows by the number of trees: scores [F, T, N] of class 1 -> [T, F]."""
    errors = []
    for fold, of_fold in enumerate(np.asarray(scores)):
        _, tested = rows_of_fold(folds, fold)
        errors.append(np.mean((of_fold[:, tested] > threshold) != y[tested][None], axis=1))
    return np.stack(errors, axis=1)


def tree_of_iris():
    """A tree of depth 3 on all four features."""
    table = load_tabular("iris")
    x, y = whole(table)
    grown = jax.jit(lambda x, y: tree.fit(tree.Hypers(), x, y, num_classes=3, max_depth=3))(x, y)
    shares = np.asarray(grown.value)
    below = (0, len(shares) - len(grown.feature))  # the last level asks nothing
    feature = np.pad(np.asarray(grown.feature), below, constant_values=-1)
    nodes = trees.Tree(
        feature=feature, threshold=np.pad(np.asarray(grown.threshold), below), is_leaf=feature < 0,
        weight=trees.weights_of(np.asarray(apply(grown, jnp.asarray(x))), len(shares)), value=shares,
        impurity=1 - (shares**2).sum(1),
    )  # fmt: skip
    return figures.tree(nodes, table.feature_names, table.class_names)


def regions_of_moons(config: Config):
    """A shallow and a deep tree, a forest, and boosting, on two moons."""
    from sklearn.datasets import make_moons

    points, labels = make_moons(250, noise=0.25, random_state=0)
    points = points.astype(np.float32)
    plane = regions.plane(points)

    deep, many = config.depth, config.trees
    models: dict[str, tuple[Estimator, Any]] = {
        "Tree of depth 2": (tree.tree_classifier(num_classes=2, max_depth=2), tree.Hypers()),
        f"Tree of depth {deep}": (tree.tree_classifier(num_classes=2, max_depth=deep), tree.Hypers()),
        f"Forest of {many}": (
            forest.random_forest_classifier(num_classes=2, num_trees=many, max_depth=deep),
            forest.Hypers(),
        ),
        f"Boosting, {many} trees": (
            boosting.boosting(boosting_losses.logistic, num_trees=many, max_depth=BOOSTED_DEPTH),
            boosting.Hypers(),
        ),
    }
    panels = []
    for title, (model, hypers) in models.items():

        def program(rows: jax.Array, model: Estimator = model, hypers: Any = hypers) -> jax.Array:
            x, y = jnp.asarray(points), jnp.asarray(labels)
            return model.predict(model.fit(jax.random.key(0), hypers, x, y, jnp.ones(len(points))), rows)

        shares = np.asarray(jax.jit(program)(plane.rows)).reshape(len(plane.ys), len(plane.xs), 2)
        panels.append(regions.Panel(title, shares, points, labels))
    return figures.decision_regions(panels, plane, ("upper moon", "lower moon"), columns=2)


if __name__ == "__main__":
    main(Config, build, TINY)
