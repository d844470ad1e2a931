"""Bias and variance: what complexity trades, and where the error of a model comes from.

    python experiments/classical/bias_variance.py

Polynomials and nearest neighbours are fitted to 100 sets of noisy observations of a curve: their mean misses the
curve by the bias, single fits scatter around their mean by the variance, and the rest of the error is noise. Dots are
the error measured on new observations, by no formula. Breast cancer shows the parts of the zero-one loss from
bootstrapped training sets. The degree and k are hyper-parameters: one program each. Intervals are over five seeds.

Expected: the least error of the polynomials near degree 8; measured errors that equal the sum of their parts to the
second digit; a tree of depth 6 with less bias and more variance than a stump. About two minutes on 2 cores.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.classical import bias_variance, knn, linear, logistic, naive_bayes, tree
from mlr_jax.core.types import Estimator, Key
from mlr_jax.data.preprocessing import preprocessed
from mlr_jax.data.tabular import load_tabular
from mlr_jax.experiment.stopwatch import Stopwatch
from mlr_jax.experiment.study import Findings, Picture, Study, StudySettings, Table, check_least, main
from mlr_jax.report import figures
from mlr_jax.report.statistics import interval

NOISE = 0.3
"""Standard deviation of the observations around the curve."""

DEGREES = tuple(range(1, 15))
COUNTS = (1, 2, 3, 4, 6, 8, 12, 16)
GRID = 120


@dataclass(frozen=True)
class Config(StudySettings):
    """Bias and variance."""

    sets: int = 100
    """Training sets that each model is fitted to."""
    points: int = 20
    """Rows of each of them, at the same places."""
    models: tuple[str, ...] = ()
    """Which classifiers to look at, such as naive-bayes; all where none is named."""


TINY = {"seeds": 2, "sets": 20, "models": ("naive-bayes",)}


class Parts(NamedTuple):
    """By setting and seed, [P, S], and the fitted functions of the first seed, [P, sets, GRID]."""

    squared_bias: np.ndarray
    variance: np.ndarray
    error: np.ndarray
    functions: np.ndarray


def build(config: Config) -> Study:
    """The study."""
    check_least(config, sets=2, points=DEGREES[-1] + 2)
    models = classifiers()
    for name in config.models:
        if name not in models:
            raise ValueError(f"--models: got {name!r}, allowed are {', '.join(models)}")
    chosen = {name: models[name] for name in config.models or models}
    seeds = range(config.seed, config.seed + config.seeds)
    return Study([{"seed": seed} for seed in seeds], lambda watch: measure(config, chosen, seeds, watch))


def measure(config: Config, models: dict[str, tuple[Estimator, Any]], seeds: range, watch: Stopwatch) -> Findings:
    """The parts of the error of three families of models."""
    keys = jax.vmap(jax.random.key)(jnp.array(seeds))
    degrees, counts = jnp.array(DEGREES, jnp.float32), jnp.array(COUNTS, jnp.float32)
    flat = watch.compiled("polynomials", parts_program(polynomials(), Degree, config), degrees, keys, repeats=1)
    near = watch.compiled(
        "nearest neighbours", parts_program(neighbours(), knn.Hypers, config), counts, keys, repeats=1
    )
    lines, votes = Parts(*map(np.asarray, flat)), Parts(*map(np.asarray, near))
    metrics: dict[str, np.ndarray] = {}
    for name, found, settings in (("degree", lines, DEGREES), ("k", votes, COUNTS)):
        best = found.error.argmin(0)
        metrics[f"best_{name}"] = np.array(settings)[best]
        metrics[f"least_error_{name}"] = found.error.min(0)
        metrics[f"error_less_its_parts_{name}"] = (found.error - total(found)).mean(0)
    rows = zero_one_rows(models, config.sets, keys, watch)
    x = np.linspace(-1, 1, GRID)
    shown = [DEGREES.index(degree) for degree in (1, 8, 14)]
    pictures = {
        "fits": Picture(
            figures.fits({f"degree {DEGREES[i]}": lines.functions[i] for i in shown}, x, np.asarray(curve(x))),
            "A line is wrong in the same way each time; a polynomial of degree 14 is right on average, and never.",
        ),
        "polynomials": Picture(
            stack(lines, DEGREES, "degree"),
            "More freedom lowers the bias and raises the variance: the best lies between.",
        ),
        "neighbours": Picture(
            stack(votes, COUNTS, "k"), "Asking more neighbours does the opposite: less variance, and more bias."
        ),
    }
    columns = ("model", "error", "bias", "variance", "added by variance")
    return Findings(metrics, [Table("Breast cancer: parts of the zero-one loss", columns, rows)], pictures)


def curve(x: Any) -> Any:
    """What is observed with noise."""
    return jnp.sin(3.5 * x) + 0.5 * jnp.cos(8 * x)


def sample(points: int) -> bias_variance.Draw:
    """Fresh training sets: the same places, observed anew."""

    def draw(key: Key) -> tuple[jax.Array, jax.Array, jax.Array]:
        x = jnp.linspace(-1, 1, points)[:, None]
        return x, curve(x[:, 0]) + NOISE * jax.random.normal(key, (points,)), jnp.ones(points)

    return draw


class Degree(NamedTuple):
    """The degree of a polynomial: a number, so that one program serves all."""

    degree: float


def polynomials() -> Estimator:
    """Least squares on the Chebyshev polynomials T_1, T_2, ..., those above the degree being zero."""

    def features(x: jax.Array, degree: jax.Array) -> jax.Array:
        orders = jnp.arange(1, DEGREES[-1] + 1, dtype=x.dtype)
        values = jnp.cos(orders[None] * jnp.arccos(jnp.clip(x, -1, 1)))
        return jnp.where(orders <= degree, values, 0)

    def fit(key: Key, hypers: Degree, x: jax.Array, y: jax.Array, weight: jax.Array) -> Any:
        degree = jnp.asarray(hypers.degree)
        return degree, linear.fit(linear.Hypers(1e-6), features(x, degree), y, weight)

    return Estimator(fit, lambda model, x: linear.predict(model[1], features(x, model[0])))


def neighbours() -> Estimator:
    """The mean of the k nearest."""
    return knn.knn_regressor(k=COUNTS[-1])


def parts_program(estimator: Estimator, hypers_of: Callable[..., Any], config: Config) -> Callable[..., Any]:
    """A program settings [P], keys [S] -> `Parts`."""
    x = jnp.linspace(-1, 1, GRID)[:, None]
    truth = curve(x[:, 0])

    def of_one(value: jax.Array, key: Key) -> tuple[jax.Array, ...]:
        of_sets, of_noise = jax.random.split(key)
        sets = jax.random.split(of_sets, config.sets)
        predicted = bias_variance.predictions(estimator, hypers_of(value), sample(config.points), x, sets)
        found = bias_variance.squared_error(predicted, truth)
        observed = truth[None] + NOISE * jax.random.normal(of_noise, predicted.shape)
        return found.squared_bias.mean(), found.variance.mean(), ((predicted - observed) ** 2).mean(), predicted

    @jax.jit
    def program(values: jax.Array, keys: Key) -> tuple[jax.Array, ...]:
        over_keys = lambda value: jax.lax.map(lambda key: of_one(value, key), keys)  # noqa: E731
        *numbers, functions = jax.lax.map(over_keys, values)
        return *numbers, functions[:, 0]

    return program


def total(parts: Parts) -> np.ndarray:
    """The three parts together, [P, S]."""
    return parts.squared_bias + parts.variance + NOISE**2


def stack(parts: Parts, settings: tuple[int, ...], name: str):
    """The parts, means over seeds, on top of each other."""
    return figures.bias_variance(
        settings, parts.squared_bias.mean(1), parts.variance.mean(1),
        noise=NOISE**2, error=parts.error.mean(1), x_label=name,
    )  # fmt: skip


def classifiers() -> dict[str, tuple[Estimator, Any]]:
    """Models of two classes, stiff and flexible ones."""
    return {
        "logistic-regression": (logistic.logistic(num_classes=2), logistic.Hypers()),
        "naive-bayes": (naive_bayes.naive_bayes(naive_bayes.gaussian, num_classes=2), naive_bayes.GaussianHypers()),
        "1-neighbour": (knn.knn_classifier(num_classes=2, k=1), knn.Hypers()),
        "25-neighbours": (knn.knn_classifier(num_classes=2, k=25), knn.Hypers()),
        "stump": (tree.tree_classifier(num_classes=2, max_depth=1), tree.Hypers()),
        "tree": (tree.tree_classifier(num_classes=2, max_depth=6), tree.Hypers()),
    }


def zero_one_rows(
    models: dict[str, tuple[Estimator, Any]], sets: int, keys: Key, watch: Stopwatch
) -> list[tuple[Any, ...]]:
    """Rows of a table: the parts of the error rate of some classifiers on the test rows of breast cancer."""
    table = load_tabular("breast_cancer")
    x, y = table.train["x"], table.train["y"]
    rows = []
    for name, (estimator, hypers) in models.items():
        wrapped = preprocessed(estimator, (0,) * x.shape[1])

        @jax.jit
        def program(keys: Key, wrapped: Estimator = wrapped, hypers: Any = hypers) -> Any:
            def of_seed(key: Key) -> Any:
                each = jax.random.split(key, sets)
                draw = bias_variance.bootstrap(x, y)
                scores = bias_variance.predictions(wrapped, hypers, draw, table.test["x"], each, at_once=1)
                return jax.tree.map(jnp.mean, bias_variance.zero_one_error(scores, table.test["y"]))

            return jax.lax.map(of_seed, keys)

        found = watch.compiled(f"{name}, {sets} bootstraps x {len(keys)}", program, keys, repeats=1)
        parts = (found.error, found.bias, found.variance, found.net_variance)
        rows.append((name, *(interval(np.asarray(part)) for part in parts)))
    return rows


if __name__ == "__main__":
    main(Config, build, TINY)
