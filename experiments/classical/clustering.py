"""k-means and Gaussian mixtures: what they take for a group, and how many they find.

    python experiments/classical/clustering.py
    python experiments/classical/clustering.py --data mnist5k --clusters 20

Stretched groups of points and iris flowers show where round clusters go wrong; 1,797 handwritten digits are grouped
without their labels. Intervals are over five seeds; scikit-learn's numbers come from the same run.

Expected: inertia 4551.4 +- 0.1 and adjusted Rand index 0.667 +- 0.003 on the digits (scikit-learn 4553.6 +- 6.1 and
0.663 +- 0.011), log-likelihood of iris -1.201 (the same), in 30 s on 2 cores.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.classical import gmm, kmeans
from mlr_jax.core.types import Key
from mlr_jax.data.tabular import load_tabular, whole
from mlr_jax.experiment.folded import Images, image_rows
from mlr_jax.experiment.stopwatch import Stopwatch
from mlr_jax.experiment.study import Findings, Picture, Study, StudySettings, Table, check_least, main
from mlr_jax.report import clusters, figures
from mlr_jax.report.statistics import interval

RESTARTS = 10
GROUPS = 3


@dataclass(frozen=True)
class Config(StudySettings):
    """Clustering."""

    data: str = "digits"
    """Images to group: digits, mnist5k, fashion_mnist, tfds:NAME, or a path."""
    rows: int = 5000
    """The most rows of it to use."""
    clusters: int = 10
    """Groups to find in it."""
    most_components: int = 8
    """The largest mixture that is tried on the stretched groups."""


TINY = {"seeds": 2, "rows": 200, "most_components": 3}


def build(config: Config) -> Study:
    """The study."""
    check_least(config, rows=50, clusters=2, most_components=3)
    images = image_rows(config.data, config.rows)
    if config.clusters > len(images.y):
        raise ValueError(f"--clusters: got {config.clusters}, must be at most the {len(images.y)} rows")
    seeds = range(config.seed, config.seed + config.seeds)
    return Study([{"seed": seed} for seed in seeds], lambda watch: measure(config, images, seeds, watch))


def measure(config: Config, images: Images, seeds: range, watch: Stopwatch) -> Findings:
    """Ours and scikit-learn's numbers, and the pictures."""
    points, truth = stretched_groups()
    flowers, species = iris_petals()
    keys = jax.vmap(jax.random.key)(jnp.array(seeds))
    metrics = {**groups_of_images(config.clusters, images, seeds, watch), **mixture_of_flowers(seeds, watch)}
    rows = [
        (name.replace("_", " "), interval(values), interval(metrics[f"{name}_scikit_learn"]))
        for name, values in metrics.items()
        if f"{name}_scikit_learn" in metrics
    ]
    panels = panels_of("Stretched groups", points, truth, keys[0]) + panels_of("Iris", flowers, species, keys[0])
    pictures = {
        "iteration": Picture(
            figures.clusters(steps_of_lloyd(flowers), columns=4),
            "Lloyd's iteration from three bad centres: rows go to the nearest, centres to the mean of their rows.",
        ),
        "methods": Picture(
            figures.clusters(panels),
            "k-means cuts the stretched groups across, for it knows round ones only; a mixture takes on their shape.",
        ),
        "how_many": Picture(
            how_many(config.most_components, points, keys),
            "The inertia falls with every further centre; the information criterion has its least at three groups.",
        ),
        "centres": Picture(
            centres_of_images(config.clusters, images, keys[0]),
            "Centres of the images' groups, with the most frequent class in each and its share.",
        ),
    }
    return Findings(metrics, [Table("Beside scikit-learn", ("", "ours", "scikit-learn"), rows)], pictures)


def stretched_groups() -> tuple[np.ndarray, np.ndarray]:
    """Three normal groups of 150 points, all stretched the same way: points [450, 2] and groups [450]."""
    rng = np.random.default_rng(2)
    middles = np.array([[-4.0, 0.0], [0.0, 0.0], [4.0, 0.0]])
    stretch = np.array([[0.6, -0.3], [1.2, 2.2]])
    groups = np.repeat(np.arange(GROUPS), 150)
    points = middles[groups] + rng.normal(size=(len(groups), 2)) @ stretch
    return points.astype(np.float32), groups


def iris_petals() -> tuple[np.ndarray, np.ndarray]:
    """Petal length and width of the 150 flowers, and their species."""
    x, y = whole(load_tabular("iris"))
    return x[:, 2:], y


def groups_of_images(count: int, images: Images, seeds: range, watch: Stopwatch) -> dict[str, np.ndarray]:
    """Inertia and agreement with the classes, for each seed, of the best of some k-means runs; scikit-learn's too."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    @jax.jit
    def program(key: Key, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        model = kmeans.fit(kmeans.Hypers(), x, key=key, num_clusters=count, restarts=RESTARTS)
        return model.inertia, kmeans.predict(model, x)

    what = f"k-means, {len(images.x)} x {images.x.shape[1]}, {count} clusters, {RESTARTS} restarts"
    watch.compiled(what, program, jax.random.key(0), images.x)
    watch.plain(f"{what}, scikit-learn", lambda: KMeans(count, n_init=RESTARTS, random_state=0).fit(images.x))
    ours = [program(jax.random.key(seed), images.x) for seed in seeds]
    theirs = [KMeans(count, n_init=RESTARTS, random_state=seed).fit(images.x) for seed in seeds]
    return {
        "inertia": np.array([float(inertia) for inertia, _ in ours]),
        "inertia_scikit_learn": np.array([model.inertia_ for model in theirs]),
        "adjusted_rand_index": np.array([adjusted_rand_score(images.y, labels) for _, labels in ours]),
        "adjusted_rand_index_scikit_learn": np.array([adjusted_rand_score(images.y, m.labels_) for m in theirs]),
    }


def mixture_of_flowers(seeds: range, watch: Stopwatch) -> dict[str, np.ndarray]:
    """Mean log-likelihood of the flowers under a mixture of three, for each seed; scikit-learn's too."""
    from sklearn.mixture import GaussianMixture

    x, _ = whole(load_tabular("iris"))

    @jax.jit
    def program(key: Key, x: jax.Array) -> jax.Array:
        model = gmm.fit(gmm.Hypers(), x, key=key, num_components=GROUPS)
        return gmm.score_samples(model, x).mean()

    what = f"mixture of {GROUPS}, {len(x)} x {x.shape[1]}"
    watch.compiled(what, program, jax.random.key(0), x)
    watch.plain(f"{what}, scikit-learn", lambda: GaussianMixture(GROUPS, random_state=0).fit(x))
    theirs = [GaussianMixture(GROUPS, random_state=seed).fit(x).score(x) for seed in seeds]
    return {
        "log_likelihood": np.array([float(program(jax.random.key(seed), x)) for seed in seeds]),
        "log_likelihood_scikit_learn": np.array(theirs),
    }


def best_k_means(count: int, key: Key, x: np.ndarray) -> kmeans.KMeans:
    """The best of some runs."""
    return jax.jit(lambda x: kmeans.fit(kmeans.Hypers(), x, key=key, num_clusters=count, restarts=RESTARTS))(x)


def panels_of(name: str, points: np.ndarray, truth: np.ndarray, key: Key) -> list[clusters.Panel]:
    """The true groups, and those of k-means and of a mixture, coloured like the true group they overlap most."""
    means = np.stack([points[truth == group].mean(0) for group in range(GROUPS)])
    round_ones = best_k_means(GROUPS, key, points)
    mixture = jax.jit(lambda x: gmm.fit(gmm.Hypers(), x, key=key, num_components=GROUPS, restarts=RESTARTS))(points)
    found = [
        (f"{name}: k-means", kmeans.predict(round_ones, points), round_ones.centers, None),
        (f"{name}: mixture", gmm.predict(mixture, points), mixture.components.means, mixture.components.covariances),
    ]
    panels = [clusters.Panel(f"{name}: the truth", points, truth, means)]
    for title, labels, centres, covariances in found:
        order = like(np.asarray(labels), truth)
        shapes = None if covariances is None else np.asarray(covariances)[order.argsort()]
        panels.append(
            clusters.Panel(title, points, order[np.asarray(labels)], np.asarray(centres)[order.argsort()], shapes)
        )
    return panels


def like(labels: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """For each cluster the true group it is paired with, so that most points agree (Kuhn, 1955): [K]."""
    from scipy.optimize import linear_sum_assignment

    overlap = np.zeros((GROUPS, GROUPS))
    np.add.at(overlap, (labels, truth), 1)
    return linear_sum_assignment(-overlap)[1]


def steps_of_lloyd(points: np.ndarray) -> list[clusters.Panel]:
    """The learner's state after some steps, from centres that all lie in one corner."""
    learner = kmeans.k_means_learner(num_features=2, num_clusters=GROUPS)
    corner = jnp.array([[0.9, 2.2], [1.2, 2.5], [1.6, 2.1]])
    state = learner.init(jax.random.key(0), kmeans.Hypers())._replace(step=jnp.int32(1), centers=corner)
    step = jax.jit(learner.step)
    panels = []
    for taken in range(11):
        distances = ((points[:, None] - np.asarray(state.centers)[None]) ** 2).sum(-1)
        if taken in (0, 1, 3, 10):
            title = f"{taken} steps, inertia {distances.min(1).sum():.0f}"
            panels.append(clusters.Panel(title, points, distances.argmin(1), np.asarray(state.centers)))
        state, _ = step(state, {"x": points})
    return panels


def how_many(most: int, points: np.ndarray, keys: Key):
    """Inertia and Bayesian information criterion over the number of groups, for each key."""
    counts = range(1, most + 1)
    inertia: list[np.ndarray] = []
    criterion: list[np.ndarray] = []
    for count in counts:

        def fit(key: Key, count: int = count) -> tuple[jax.Array, jax.Array]:
            mixture = gmm.fit(gmm.Hypers(), points, key=key, num_components=count, restarts=4)
            return kmeans.fit(kmeans.Hypers(), points, key=key, num_clusters=count).inertia, gmm.bic(mixture, points)

        for values, value in zip((inertia, criterion), jax.jit(jax.vmap(fit))(keys), strict=True):
            values.append(np.asarray(value) / len(points))
    panels = {
        "k-means": (counts, {"inertia / row": np.stack(inertia)}),
        "Gaussian mixture": (counts, {"BIC / row": np.stack(criterion)}),
    }
    return figures.score_curves(panels, "groups", "", best={"Gaussian mixture": "BIC / row"})


def centres_of_images(count: int, images: Images, key: Key):
    """The centres as images, by the class that is most frequent in their group."""
    model = best_k_means(count, key, images.x)
    labels = np.asarray(kmeans.predict(model, images.x))
    shares = np.stack([np.bincount(images.y[labels == k], minlength=len(images.class_names)) for k in range(count)])
    shares = shares / shares.sum(1, keepdims=True)
    order = np.lexsort((-shares.max(1), shares.argmax(1)))
    titles = [f"{images.class_names[shares[k].argmax()]}, {shares[k].max():.0%}" for k in order]
    return figures.image_grid(np.asarray(model.centers)[order].reshape(-1, *images.shape), titles, columns=5)


if __name__ == "__main__":
    main(Config, build, TINY)
