"""k nearest neighbours on handwritten digits: how many to ask, how many to know, and who they are.

    python experiments/classical/nearest_neighbours.py
    python experiments/classical/nearest_neighbours.py --data /usr/share/datasets/fashion-mnist --rows 10000

5,000 MNIST digits as raw pixels, in five folds of 4,000 to know and 1,000 to ask about. Shown are the error over k and
over the number of rows known, the decision regions of 1, 9 and 45 neighbours of iris flowers, and the neighbours of
digits that are mistaken. One search serves every k: k is a hyper-parameter, and so is the weight by distance.

Expected: error 6.4 +- 1.1 % with three neighbours and 6.0 +- 1.0 % with one, the same as scikit-learn's, in half a
minute on 2 cores.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.classical import knn
from mlr_jax.data.tabular import load_tabular, whole
from mlr_jax.experiment.folded import (
    BESIDE_PEER,
    ONE_BY_ONE,
    FoldSettings,
    Images,
    beside_peer,
    by_setting,
    error,
    fewer_rows,
    folds_of,
    image_rows,
    peer_scores,
    rows_of_fold,
)
from mlr_jax.experiment.stopwatch import Stopwatch
from mlr_jax.experiment.study import Findings, Picture, Study, Table, check_least, main
from mlr_jax.report import figures, regions
from mlr_jax.tune.cross_validation import cross_validate
from mlr_jax.tune.folds import Folds

COUNTS = (1, 2, 3, 4, 5, 7, 9, 13, 17, 25)
"""Values of k."""

SHOWN = 7
"""Neighbours in the picture of each mistaken digit."""


@dataclass(frozen=True)
class Config(FoldSettings):
    """k nearest neighbours."""

    data: str = "mnist5k"
    """digits, mnist5k, fashion_mnist, tfds:NAME, or a path."""
    rows: int = 5000
    """The most rows of it to use."""
    neighbours: int = 3
    """The k whose error is the result."""


TINY = {"folds": 2, "data": "digits", "rows": 200}


def build(config: Config) -> Study:
    """The study."""
    check_least(config, rows=200, neighbours=1)
    if config.neighbours not in COUNTS:
        raise ValueError(f"--neighbours: got {config.neighbours}, allowed are {', '.join(map(str, COUNTS))}")
    images = image_rows(config.data, config.rows)
    folds, members = folds_of(config, images.y)
    return Study(members, lambda watch: measure(config.neighbours, images, folds, watch))


def measure(neighbours: int, images: Images, folds: Folds, watch: Stopwatch) -> Findings:
    """Errors beside scikit-learn's, and the pictures."""
    from sklearn.neighbors import KNeighborsClassifier

    curves = over_counts(images, folds)
    metrics = {}
    for name, k in (("test_error", neighbours), ("test_error_1nn", 1)):
        metrics[name] = curves["held out"][COUNTS.index(k)]
        metrics[f"{name}_scikit_learn"] = peer_scores(lambda k=k: KNeighborsClassifier(k), folds, images.x, images.y)  # type: ignore[misc]
    clock(neighbours, images, folds, watch)
    sizes, by_size = over_sizes(neighbours, images, folds)
    panels: Any = {
        "Error over k": (COUNTS, curves),
        f"Error over the rows known, k = {neighbours}": (sizes, {"held out": by_size}),
    }
    pictures = {
        "curves": Picture(
            figures.score_curves(panels, ["k", "rows known"], "error", best={"Error over k": "held out"}),
            "With k = 1 every known row knows itself. More neighbours smooth too much; more rows always help.",
        ),
        "regions": Picture(regions_of_iris(), "Few neighbours follow single flowers, many smooth them away."),
        "neighbours": Picture(
            neighbours_of_mistakes(neighbours, images, folds),
            "Mistaken images (with a question mark), each before its nearest neighbours.",
        ),
    }
    table = Table("Error on held-out rows", BESIDE_PEER, beside_peer(metrics, ["test_error", "test_error_1nn"]))
    return Findings(metrics, [table], pictures)


def over_counts(images: Images, folds: Folds) -> dict[str, np.ndarray]:
    """Error for each k and fold, [k, F]: of rows held out, of these with weights by distance, and of rows known."""
    counts: Any = jnp.array(COUNTS * 2, jnp.float32)
    power: Any = jnp.repeat(jnp.array([0.0, 1.0]), len(COUNTS))
    estimator = knn.knn_classifier(num_classes=len(images.class_names), k=COUNTS[-1])
    scores = cross_validate(
        estimator, knn.Hypers(counts, power), folds, images.x, images.y,
        metrics={"error": error}, train_scores=True, layout=ONE_BY_ONE,
    )  # fmt: skip
    test, train = by_setting(scores.test, "error"), by_setting(scores.train, "error")
    plain, weighted = test[: len(COUNTS)], test[len(COUNTS) :]
    return {"held out": plain, "held out, nearer ones count more": weighted, "known": train[: len(COUNTS)]}


def over_sizes(neighbours: int, images: Images, folds: Folds) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of rows [P], and the error of each fold that knows only so many of its rows, [P, F]."""
    estimator = knn.knn_classifier(num_classes=len(images.class_names), k=neighbours)
    sizes, fewer = fewer_rows(folds, max(len(images.y) // 80, neighbours), 7)

    def errors(folds: Folds) -> np.ndarray:
        scores = cross_validate(
            estimator, knn.Hypers(), folds, images.x, images.y, metrics={"error": error}, layout=ONE_BY_ONE
        )
        return by_setting(scores.test, "error")[0]

    return sizes, np.stack([errors(folds) for folds in fewer])


def clock(neighbours: int, images: Images, folds: Folds, watch: Stopwatch) -> None:
    """Times of ours and of scikit-learn for the same queries."""
    from sklearn.neighbors import KNeighborsClassifier

    estimator = knn.knn_classifier(num_classes=len(images.class_names), k=neighbours)
    fitted, tested = rows_of_fold(folds, 0)
    x, y, queries = images.x[fitted], images.y[fitted], images.x[tested]

    @jax.jit
    def program(x: jax.Array, y: jax.Array, queries: jax.Array) -> jax.Array:
        model = estimator.fit(jax.random.key(0), knn.Hypers(), x, y, jnp.ones(len(x)))
        return estimator.predict(model, queries)

    what = f"k = {neighbours}: {len(queries)} queries among {len(x)} rows"
    watch.compiled(what, program, x, y, queries)
    watch.plain(f"{what}, scikit-learn", lambda: KNeighborsClassifier(neighbours).fit(x, y).predict_proba(queries))


def regions_of_iris():
    """Decision regions of three values of k in the plane of two features."""
    table = load_tabular("iris")
    x, y = whole(table)
    x = x[:, 2:]
    plane = regions.plane(x)
    counts = (1, 9, 45)
    estimator = knn.knn_classifier(num_classes=3, k=counts[-1])

    @jax.jit
    def program(count: Any) -> jax.Array:
        model = estimator.fit(jax.random.key(0), knn.Hypers(count), jnp.asarray(x), jnp.asarray(y), jnp.ones(len(x)))
        return estimator.predict(model, jnp.asarray(plane.rows))

    shape = (len(plane.ys), len(plane.xs), 3)
    panels = [
        regions.Panel(f"k = {count}", np.asarray(program(jnp.float32(count))).reshape(shape), x, y) for count in counts
    ]
    return figures.decision_regions(panels, plane, table.class_names, ("petal length (cm)", "petal width (cm)"))


def neighbours_of_mistakes(neighbours: int, images: Images, folds: Folds):
    """Test images of the first fold that are mistaken, each at the head of a row of its nearest neighbours."""
    fitted, tested = rows_of_fold(folds, 0)
    x, y, truth = images.x[fitted], images.y[fitted], images.y[tested]
    _, index = jax.jit(lambda x, queries: knn.neighbours(x, queries, SHOWN))(x, images.x[tested])
    found = y[np.asarray(index)]
    votes = np.stack([np.bincount(row[:neighbours], minlength=len(images.class_names)) for row in found])
    mistaken = np.flatnonzero(votes.argmax(1) != truth)[:5]
    pictures, titles = [], []
    for query in mistaken if len(mistaken) else range(5):
        pictures += [images.x[tested[query]], *x[np.asarray(index[query])]]
        titles += [f"{images.class_names[truth[query]]} ?", *(images.class_names[label] for label in found[query])]
    return figures.image_grid(np.stack(pictures).reshape(-1, *images.shape), titles, columns=SHOWN + 1)


if __name__ == "__main__":
    main(Config, build, TINY)
