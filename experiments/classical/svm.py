"""Support vector machines: what a kernel does, what its two numbers do, and handwritten digits.

    python experiments/classical/svm.py
    python experiments/classical/svm.py --data mnist5k --rows 3000 --C 5

Two moons show the margin, the support vectors and three kernels; breast cancer shows the error over C and gamma, all
settings and folds in one program; 1,797 digits are classified beside scikit-learn, in five folds.

Expected: error 1.1 +- 1.0 % on the digits with the RBF kernel and 3.9 +- 1.3 % with linear machines (scikit-learn
0.9 +- 1.1 % and 3.9 +- 1.3 %), in about a minute on 2 cores. The RBF answers differ where votes of pairs tie: ours then
asks how sure the voters are, scikit-learn takes the first class.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.classical import kernel_svm, linear_svm
from mlr_jax.data.preprocessing import preprocessed
from mlr_jax.data.tabular import load_tabular, whole
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
)
from mlr_jax.experiment.stopwatch import Stopwatch
from mlr_jax.experiment.study import Findings, Picture, Study, Table, check_least, main
from mlr_jax.ops import kernels
from mlr_jax.report import figures, regions
from mlr_jax.report.statistics import group_by_hypers
from mlr_jax.tune.cross_validation import cross_val_predict, cross_validate
from mlr_jax.tune.folds import Folds, partition, stratified
from mlr_jax.tune.grid import grid
from mlr_jax.tune.layout import Layout


@dataclass(frozen=True)
class Config(FoldSettings):
    """Support vector machines."""

    data: str = "digits"
    """Images to classify: digits, mnist5k, fashion_mnist, tfds:NAME, or a path."""
    rows: int = 5000
    """The most rows of it to use."""
    C: float = 10.0
    """The price of a violated margin, for the images."""
    values: int = 6
    """Values of C and of gamma that are tried on breast cancer."""


TINY = {"folds": 2, "rows": 200, "values": 2}


def build(config: Config) -> Study:
    """The study."""
    check_least(config, rows=50, values=2, C=1e-6)
    images = image_rows(config.data, config.rows)
    folds, members = folds_of(config, images.y)
    return Study(members, lambda watch: measure(config, images, folds, watch))


def measure(config: Config, images: Images, folds: Folds, watch: Stopwatch) -> Findings:
    """Errors beside scikit-learn's, the sweep, and the pictures."""
    metrics = errors(config.C, images, folds, watch)
    machines = kernel_svm.kernel_svm(num_classes=len(images.class_names))
    scores = cross_val_predict(machines, kernel_svm.Hypers(C=config.C), folds, images.x, images.y, layout=ONE_BY_ONE)
    predicted = np.asarray(scores).argmax(-1)
    pictures = {
        "kernels": Picture(
            regions_of_moons(),
            "Colours are paler near the boundary; support vectors, the only rows that matter to it, are ringed.",
        ),
        "sweep": Picture(
            figures.sweep_plot(sweep(config.values, config.folds), "test_error"),
            "Breast cancer: a wide kernel needs a high price C, a narrow one is wrong at any price.",
        ),
        "confusion_matrix": Picture(
            figures.confusion_matrix(images.y, predicted, images.class_names),
            "Every image, by machines that had not seen it.",
        ),
    }
    table = Table("Error on held-out rows", BESIDE_PEER, beside_peer(metrics, ["error_rbf", "error_linear"]))
    return Findings(metrics, [table], pictures)


def errors(C: float, images: Images, folds: Folds, watch: Stopwatch) -> dict[str, np.ndarray]:
    """Test error of the RBF kernel and of linear machines on each fold, ours and scikit-learn's."""
    from sklearn.svm import SVC, LinearSVC

    classes = len(images.class_names)
    found: dict[str, np.ndarray] = {}
    for name, estimator, hypers, make in (
        ("RBF", kernel_svm.kernel_svm(num_classes=classes), kernel_svm.Hypers(C=C), lambda: SVC(C=C)),
        (
            "linear",
            linear_svm.linear_svm(num_classes=classes),
            linear_svm.Hypers(C=0.1),
            lambda: LinearSVC(C=0.1, max_iter=10_000),
        ),
    ):

        def program(estimator: Any = estimator, hypers: Any = hypers) -> Any:
            return cross_validate(
                estimator, hypers, folds, images.x, images.y, metrics={"error": error}, layout=ONE_BY_ONE
            )

        what = f"{name}, {len(folds.train)} folds of {images.x.shape[0]} x {images.x.shape[1]}"
        ours = by_setting(watch.compiled(what, program, repeats=1).test, "error")[0]
        theirs = watch.plain(f"{what}, scikit-learn", peer_scores, make, folds, images.x, images.y)
        found |= {f"error_{name.lower()}": ours, f"error_{name.lower()}_scikit_learn": theirs}
    return found


def sweep(count: int, num_folds: int) -> list[Any]:
    """Test error on standardised breast cancer for `count` values of C and of gamma, grouped by setting."""
    x, y = whole(load_tabular("breast_cancer"))
    estimator = preprocessed(kernel_svm.kernel_svm(num_classes=2), (0,) * x.shape[1])
    values = {"C": np.geomspace(1e-2, 1e3, count).tolist(), "gamma": np.geomspace(1e-4, 1e1, count).tolist()}
    hypers = grid(kernel_svm.Hypers(), **values)
    scores = cross_validate(
        estimator, hypers, partition(stratified(y, num_folds, 0)), x, y,
        metrics={"error": error}, layout=Layout(folds_at_once=1, members_at_once=1),
    )  # fmt: skip
    members = [
        {"seed": fold, "C": C, "gamma": gamma}
        for C, gamma in zip(hypers.C, hypers.gamma, strict=True)
        for fold in range(num_folds)
    ]
    return group_by_hypers(members, {"test_error": by_setting(scores.test, "error").ravel()})


def regions_of_moons():
    """Three kernels, and three widths of the third."""
    from sklearn.datasets import make_moons

    points, labels = make_moons(200, noise=0.22, random_state=0)
    points = points.astype(np.float32)
    plane = regions.plane(points)
    panels = []
    for title, kernel, gamma in (
        ("Linear", kernels.linear(), 1.0),
        ("Polynomial of degree 3", kernels.polynomial(3), 1.0),
        ("RBF, gamma 1", kernels.rbf(), 1.0),
        ("RBF, gamma 0.03", kernels.rbf(), 0.03),
        ("RBF, gamma 0.3", kernels.rbf(), 0.3),
        ("RBF, gamma 30", kernels.rbf(), 30.0),
    ):
        hypers = kernel_svm.Hypers(C=5.0, gamma=gamma, coef0=1.0)
        model = jax.jit(
            lambda hypers, kernel=kernel: kernel_svm.fit(hypers, points, labels, num_classes=2, kernel=kernel)
        )(hypers)
        values = np.asarray(kernel_svm.decision_values(model, jnp.asarray(plane.rows), kernel=kernel))[:, 0]
        first = (1 + np.tanh(values)) / 2
        shares = np.stack([first, 1 - first], -1).reshape(len(plane.ys), len(plane.xs), 2)
        marked = np.asarray(model.coefficients)[:, 0] != 0
        panels.append(regions.Panel(f"{title}: {marked.sum()} support vectors", shares, points, labels, marked))
    return figures.decision_regions(panels, plane, ("upper moon", "lower moon"))


if __name__ == "__main__":
    main(Config, build, TINY)
