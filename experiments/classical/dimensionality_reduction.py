"""Principal components and t-SNE: 64 pixels in two numbers, and how many numbers a digit needs.

    python experiments/classical/dimensionality_reduction.py
    python experiments/classical/dimensionality_reduction.py --data mnist5k --rows 2000 --components 40

1,797 handwritten digits. Shown are both embeddings in the plane, what each component explains and looks like, digits
made again from few components, and the error of three nearest neighbours that see only those. Five folds; components
are fitted to the rows of the fold; scikit-learn beside.

Expected: 16 components lose 15.5 +- 0.6 % of the variance of held-out digits and give neighbours an error of 1.4 +- 0.7
%, both as scikit-learn's; t-SNE ends at a KL divergence of 0.68 (scikit-learn 0.75) with a trustworthiness of 0.991
(0.992). About a minute on 2 cores, most of it scikit-learn's t-SNE.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.classical import knn, pca, tsne
from mlr_jax.core.types import Estimator
from mlr_jax.experiment.folded import (
    BESIDE_PEER,
    ONE_BY_ONE,
    FoldSettings,
    Images,
    beside_peer,
    by_setting,
    error,
    folds_of,
    image_rows,
    peer_scores,
    rows_of_fold,
)
from mlr_jax.experiment.stopwatch import Stopwatch
from mlr_jax.experiment.study import Findings, Picture, Study, Table, check_least, main
from mlr_jax.report import embeddings, figures
from mlr_jax.tune.cross_validation import cross_validate
from mlr_jax.tune.folds import Folds
from mlr_jax.tune.grid import grid

COUNTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Numbers of components."""


@dataclass(frozen=True)
class Config(FoldSettings):
    """Dimensionality reduction."""

    data: str = "digits"
    """Images: digits, mnist5k, fashion_mnist, tfds:NAME, or a path."""
    rows: int = 2000
    """The most rows of it to use: t-SNE here is exact, its time grows with the square of their number."""
    components: int = 16
    """The number of components whose error is the result."""
    iterations: int = 1000
    """Steps of t-SNE, 250 of them with exaggerated affinities."""
    perplexity: float = 30.0
    """How many neighbours t-SNE looks at, more or less."""


TINY = {"folds": 2, "rows": 150, "iterations": 300, "perplexity": 10.0}


def build(config: Config) -> Study:
    """The study."""
    check_least(config, rows=100, components=1, iterations=300, perplexity=1)
    images = image_rows(config.data, config.rows)
    folds, members = folds_of(config, images.y)
    most = min(COUNTS[-1], images.x.shape[1], int(folds.train.sum(1).min()))
    for name, limit in (("components", most), ("perplexity", len(images.y) / 4)):
        if getattr(config, name) > limit:
            raise ValueError(f"--{name}: got {getattr(config, name)}, must be at most {limit:g}")
    return Study(members, lambda watch: measure(config, most, images, folds, watch))


def measure(config: Config, most: int, images: Images, folds: Folds, watch: Stopwatch) -> Findings:
    """Errors beside scikit-learn's, and the pictures."""
    from sklearn.neighbors import KNeighborsClassifier

    counts = sorted({count for count in (*COUNTS, config.components) if count <= most})
    place = counts.index(config.components)
    lost = lost_shares(counts, images, folds)
    wrong = neighbour_errors(counts, images, folds)
    model = watch.compiled(f"PCA, {images.x.shape[0]} x {images.x.shape[1]}", principal_components(most), images.x)
    metrics = {
        "lost_variance": lost[place],
        "lost_variance_scikit_learn": peer_lost_shares(config.components, images, folds),
        "knn_error": wrong[place],
        "knn_error_scikit_learn": peer_scores(lambda: reduced_neighbours(config.components), folds, images.x, images.y),
        "knn_error_all_pixels": peer_scores(lambda: KNeighborsClassifier(3), folds, images.x, images.y),
    }
    found, maps = planes(config, model, images, watch)
    curves: Any = {
        "Variance that is lost": (counts, {"held out": lost}),
        "Error of 3 nearest neighbours": (counts, {"held out": wrong}),
    }
    pictures = {
        "embeddings": Picture(
            figures.embeddings(maps, images.class_names),
            "Two components keep far distances and pile classes up; t-SNE keeps neighbours and lets classes part.",
        ),
        "scree": Picture(figures.scree(np.asarray(model.ratio)), "A few components hold most of the variance."),
        "components": Picture(faces(model, images.shape), "The mean and the first components, as images."),
        "reconstructions": Picture(again(model, images), "Images made again from the first few components."),
        "curves": Picture(
            figures.score_curves(curves, "components", ""),
            "What is left out after some twenty components hardly helps to tell the classes apart.",
        ),
    }
    tables = [
        Table(
            f"{config.components} components, held-out rows",
            BESIDE_PEER,
            beside_peer(metrics, ["lost_variance", "knn_error"]),
        ),
        Table("Embeddings in the plane", ("", "KL divergence", "trustworthiness of 12 neighbours"), found),
    ]
    return Findings(metrics, tables, pictures)


def principal_components(count: int):
    """A program x [N, D] -> the first components."""
    return jax.jit(lambda x: pca.fit(pca.Hypers(), x, num_components=count))


class Kept(NamedTuple):
    """How many components are looked at: a number, so that one program serves all."""

    components: float


def neighbours_after_pca(num_classes: int, most: int) -> Estimator:
    """Three nearest neighbours by the first components of the rows that are fitted."""

    def reduce(model: pca.PCA, kept: jax.Array, x: jax.Array) -> jax.Array:
        return pca.transform(model, x) * (jnp.arange(most) < kept)[None]

    def fit(key: Any, hypers: Kept, x: jax.Array, y: jax.Array, weight: jax.Array) -> Any:
        model, kept = pca.fit(pca.Hypers(), x, weight, num_components=most), jnp.asarray(hypers.components)
        return model, kept, knn.fit(knn.Hypers(), reduce(model, kept, x), y, weight, num_classes=num_classes)

    def predict(model: Any, x: jax.Array) -> jax.Array:
        components, kept, rows = model
        return knn.predict(rows, reduce(components, kept, x), k=3)

    return Estimator(fit, predict)


def neighbour_errors(counts: list[int], images: Images, folds: Folds) -> np.ndarray:
    """Error of three nearest neighbours for each number of components and fold, [P, F]."""
    estimator = neighbours_after_pca(len(images.class_names), counts[-1])
    hypers = grid(Kept(0.0), components=[float(count) for count in counts])
    scores = cross_validate(estimator, hypers, folds, images.x, images.y, metrics={"error": error}, layout=ONE_BY_ONE)
    return by_setting(scores.test, "error")


def reduced_neighbours(count: int) -> Any:
    """The same out of scikit-learn's parts."""
    from sklearn.decomposition import PCA
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline

    return make_pipeline(PCA(count), KNeighborsClassifier(3))


def lost_shares(counts: list[int], images: Images, folds: Folds) -> np.ndarray:
    """The share of held-out rows' squared distance from the mean that the components do not reach, [P, F]."""

    @jax.jit
    def program(weight: jax.Array, x: jax.Array) -> jax.Array:
        model = pca.fit(pca.Hypers(), x, weight, num_components=counts[-1])
        squares = (1 - weight) @ pca.transform(model, x) ** 2
        return 1 - jnp.cumsum(squares) / ((1 - weight) @ (x - model.mean[None]) ** 2).sum()

    lost = np.stack([program(fitted.astype(np.float32), images.x) for fitted in folds.train])
    return lost[:, np.array(counts) - 1].T


def peer_lost_shares(count: int, images: Images, folds: Folds) -> np.ndarray:
    """scikit-learn's for one number of components, [F]."""
    from sklearn.decomposition import PCA

    shares = []
    for fold in range(len(folds.train)):
        fitted, tested = rows_of_fold(folds, fold)
        model, x = PCA(count).fit(images.x[fitted]), images.x[tested]
        left = x - model.inverse_transform(model.transform(x))
        shares.append((left**2).sum() / ((x - model.mean_) ** 2).sum())
    return np.array(shares)


def planes(config: Config, model: pca.PCA, images: Images, watch: Stopwatch):
    """Rows of a table and panels: two components, t-SNE, and scikit-learn's t-SNE."""
    from sklearn.manifold import TSNE, trustworthiness

    x, hypers = images.x, tsne.Hypers(perplexity=config.perplexity)
    program = jax.jit(lambda x: tsne.fit(hypers, x, iterations=config.iterations))
    peer = TSNE(perplexity=config.perplexity, max_iter=config.iterations, random_state=0)
    what = f"t-SNE, {len(x)} rows, {config.iterations} steps"
    ours = watch.compiled(what, program, x, repeats=1)
    theirs = watch.plain(f"{what}, scikit-learn (Barnes-Hut)", peer.fit_transform, x)
    points = {
        "Two principal components": (None, np.asarray(pca.transform(model, x))[:, :2]),
        "t-SNE": (float(ours.kl), np.asarray(ours.points)),
        "t-SNE, scikit-learn": (peer.kl_divergence_, theirs),
    }
    rows = [(title, kl, trustworthiness(x, z, n_neighbors=12)) for title, (kl, z) in points.items()]
    return rows, [embeddings.Panel(title, z, images.y) for title, (_, z) in points.items()][:2]


def faces(model: pca.PCA, shape: tuple[int, ...]):
    """The mean and the first components, each scaled to the whole range of grey."""
    shown = np.concatenate([np.asarray(model.mean)[None], np.asarray(model.components)[:15]])
    low, high = shown.min(1, keepdims=True), shown.max(1, keepdims=True)
    titles = ["mean", *(f"{place + 1}: {ratio:.1%}" for place, ratio in enumerate(np.asarray(model.ratio)[:15]))]
    return figures.image_grid(((shown - low) / (high - low)).reshape(-1, *shape), titles[: len(shown)])


def again(model: pca.PCA, images: Images):
    """One image of each of six classes, from more and more components."""
    counts = [count for count in (1, 2, 4, 8, 16, 32) if count <= len(model.components)]
    rows = [int(np.flatnonzero(images.y == label)[0]) for label in range(min(6, len(images.class_names)))]
    z = np.asarray(pca.transform(model, images.x[rows]))
    made = [np.asarray(pca.inverse_transform(model, z * (np.arange(z.shape[1]) < count))) for count in counts]
    pictures = np.stack([*made, images.x[rows]], axis=1).reshape(-1, *images.shape)
    titles = [*(str(count) for count in counts), "original"] + [""] * ((len(counts) + 1) * (len(rows) - 1))
    return figures.image_grid(np.clip(pictures, 0, 1), titles, columns=len(counts) + 1)


if __name__ == "__main__":
    main(Config, build, TINY)
