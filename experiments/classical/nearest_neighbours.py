"""k nearest neighbours on handwritten digits: how many to ask, how many to know, and who they are.

    python experiments/classical/nearest_neighbours.py
    python experiments/classical/nearest_neighbours.py --data /usr/share/datasets/fashion-mnist --rows 10000

5,000 MNIST digits as raw pixels, five random splits into 4,000 to know and 1,000 to ask about. Shown are the error over
k and over the number of rows known, the decision regions of 1, 9 and 45 neighbours of iris flowers, and the neighbours
of digits that are mistaken. One search serves every k: k is a hyper-parameter, and so is the weight by distance.

Expected: test error 6.80 +- 0.96 % with three neighbours, the same as scikit-learn's, in 30 s on 2 cores.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mlr_jax.classical import knn
from mlr_jax.data.tabular import load_tabular, whole
from mlr_jax.experiment.repeated_splits import Splits, error_rates, image_splits, peer_errors
from mlr_jax.experiment.stopwatch import Stopwatch
from mlr_jax.experiment.study import Findings, Picture, Study, StudySettings, Table, check_least, main
from mlr_jax.report import figures, regions
from mlr_jax.report.statistics import interval

COUNTS = (1, 2, 3, 4, 5, 7, 9, 13, 17, 25)
"""Values of k."""

QUERIES_SHOWN = 5
"""Mistaken digits that are shown with their neighbours."""


@dataclass(frozen=True)
class Config(StudySettings):
    """k nearest neighbours."""

    data: str = "mnist5k"
    """digits, mnist5k, fashion_mnist, tfds:NAME, or a path."""
    rows: int = 5000
    """Rows of it to use, a fifth of them to test on."""
    neighbours: int = 3
    """The k whose error is the result."""


TINY = {"seeds": 2, "data": "digits", "rows": 300}


def build(config: Config) -> Study:
    """The study."""
    check_least(config, rows=200, neighbours=1)
    seeds = range(config.seed, config.seed + config.seeds)
    splits = image_splits(config.data, config.rows, 0.2, seeds)
    if config.neighbours > COUNTS[-1]:
        raise ValueError(f"--neighbours: got {config.neighbours}, must be at most {COUNTS[-1]}")
    return Study([{"seed": seed} for seed in seeds], lambda watch: measure(config, splits, watch))


def measure(config: Config, splits: Splits, watch: Stopwatch) -> Findings:
    """Errors beside scikit-learn's, and the pictures."""
    from sklearn.neighbors import KNeighborsClassifier

    errors = errors_over_counts(splits)
    own = {"test_error": errors_at(config.neighbours, splits), "test_error_1nn": errors["held out"][0]}
    peers = {"test_error": config.neighbours, "test_error_1nn": 1}
    peer = {name: peer_errors(lambda _, k=k: KNeighborsClassifier(k), splits) for name, k in peers.items()}  # type: ignore[misc]
    rows = [(peers[name], interval(values), interval(peer[name])) for name, values in own.items()]
    clock(config.neighbours, splits, watch)
    sizes, by_size = errors_over_sizes(config.neighbours, splits)
    curves: Any = {
        "Error over k": (COUNTS, errors),
        f"Error over the rows known, k = {config.neighbours}": (sizes, {"held out": by_size}),
    }
    chosen = {"Error over k": "held out"}
    return Findings(
        metrics={**own, "test_error_scikit_learn": peer["test_error"]},
        tables=[Table("Test error by k", ("k", "ours", "scikit-learn"), rows)],
        pictures={
            "curves": Picture(
                figures.score_curves(curves, ["k", "rows known"], "error", best=chosen),
                "One neighbour knows its own row by heart. Distance weights change little; more rows always help.",
            ),
            "regions": Picture(regions_of_iris(), "Few neighbours follow single flowers, many smooth them away."),
            "neighbours": Picture(
                neighbours_of_mistakes(config.neighbours, splits),
                "Mistaken images (with a question mark), each before its nearest neighbours.",
            ),
        },
    )


def estimates(splits: Splits, most: int, hypers: knn.Hypers, weights: np.ndarray) -> np.ndarray:
    """Classes of all rows, [W, H, N], for weights [W, N] and hypers with leaves [H], by one search for each weight."""
    estimator = knn.knn_classifier(len(splits.class_names), most)

    @jax.jit
    def program(hypers: knn.Hypers, x: jax.Array, y: jax.Array, weights: jax.Array) -> jax.Array:
        def classes(weight: jax.Array, hypers: knn.Hypers) -> jax.Array:
            key = jax.random.key(0)  # nothing is random
            return estimator.predict(estimator.fit(key, hypers, x, y, weight), x).argmax(-1)

        return lax.map(lambda weight: jax.vmap(classes, in_axes=(None, 0))(weight, hypers), weights)

    return np.asarray(program(hypers, splits.x, splits.y, weights))


def errors_over_counts(splits: Splits) -> dict[str, np.ndarray]:
    """Error for each k and split, [k, S]: of rows known, of rows held out, and of these with weights by distance."""
    counts: Any = jnp.array(COUNTS * 2, jnp.float32)
    power: Any = jnp.repeat(jnp.array([0.0, 1.0]), len(COUNTS))
    classes = estimates(splits, COUNTS[-1], knn.Hypers(counts, power), splits.weights)
    held_out, known = (
        np.stack([wrong(of_k, splits, split) for of_k in classes.swapaxes(0, 1)]) for split in (False, True)
    )
    plain, weighted = held_out[: len(COUNTS)], held_out[len(COUNTS) :]
    return {"held out": plain, "held out, nearer ones count more": weighted, "known": known[: len(COUNTS)]}


def wrong(classes: np.ndarray, splits: Splits, known: bool) -> np.ndarray:
    """Error of each split, [S], on its training or its test rows: classes [S, N]."""
    one_hot = np.eye(len(splits.class_names), dtype=bool)[classes]
    return error_rates(one_hot, splits.y, splits.weights, held_out=not known)


def errors_at(neighbours: int, splits: Splits) -> np.ndarray:
    """Error of each split with one k."""
    return wrong(estimates(splits, COUNTS[-1], one_setting(neighbours), splits.weights)[:, 0], splits, known=False)


def one_setting(neighbours: int) -> knn.Hypers:
    """Plain votes of k neighbours, as a sweep of one."""
    count: Any = jnp.array([neighbours], jnp.float32)
    power: Any = jnp.zeros(1)
    return knn.Hypers(count, power)


def errors_over_sizes(neighbours: int, splits: Splits) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of rows [P], and the error of each split when only so many of its rows weigh anything, [P, S]."""
    known = int(splits.weights[0].sum())
    sizes = np.unique(np.geomspace(max(known // 64, neighbours), known, 7).astype(int))
    order = np.random.default_rng(0).permuted(np.arange(splits.weights.size).reshape(splits.weights.shape), axis=1)
    rank = np.where(splits.weights > 0, order, splits.weights.size).argsort(1).argsort(1)
    weights = (rank[None] < sizes[:, None, None]).astype(np.float32)
    classes = estimates(splits, neighbours, one_setting(neighbours), weights.reshape(-1, splits.weights.shape[1]))
    by_size = classes.reshape(weights.shape)
    return sizes, np.stack([wrong(of_size, splits, known=False) for of_size in by_size])


def clock(neighbours: int, splits: Splits, watch: Stopwatch) -> None:
    """Times of ours and of scikit-learn for the same queries."""
    from sklearn.neighbors import KNeighborsClassifier

    estimator = knn.knn_classifier(len(splits.class_names), neighbours)
    (x, y), (queries, _) = splits.train(0), splits.test(0)

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
    estimator = knn.knn_classifier(3, counts[-1])

    @jax.jit
    def program(count: Any) -> jax.Array:
        model = estimator.fit(jax.random.key(0), knn.Hypers(count), jnp.asarray(x), jnp.asarray(y), jnp.ones(len(x)))
        return estimator.predict(model, jnp.asarray(plane.rows))

    shape = (len(plane.ys), len(plane.xs), 3)
    panels = [
        regions.Panel(f"k = {count}", np.asarray(program(jnp.float32(count))).reshape(shape), x, y) for count in counts
    ]
    return figures.decision_regions(panels, plane, table.class_names, ("petal length (cm)", "petal width (cm)"))


def neighbours_of_mistakes(neighbours: int, splits: Splits):
    """Test images of the first split that were mistaken, each at the head of a row of its nearest neighbours."""
    shown = 7
    (x, y), (queries, truth) = splits.train(0), splits.test(0)
    _, index = jax.jit(lambda x, queries: knn.neighbours(x, queries, shown))(x, queries)
    index = np.asarray(index)
    votes = np.stack([np.bincount(y[row[:neighbours]], minlength=len(splits.class_names)) for row in index])
    mistaken = np.flatnonzero(votes.argmax(1) != truth)[:QUERIES_SHOWN]
    if not len(mistaken):
        mistaken = np.arange(QUERIES_SHOWN)
    images, titles = [], []
    for query in mistaken:
        images += [queries[query], *x[index[query]]]
        titles += [f"{splits.class_names[truth[query]]} ?", *(splits.class_names[label] for label in y[index[query]])]
    return figures.image_grid(np.stack(images).reshape(-1, *splits.shape), titles, columns=shown + 1)


if __name__ == "__main__":
    main(Config, build, TINY)
