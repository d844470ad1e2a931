"""Learners of this group for the laws."""

import numpy as np
from learner_case import Case

from mlr_jax.classical import linear_svm


def overlapping(step: int, rows: int = 48, classes: int = 3) -> dict[str, np.ndarray]:
    """Clouds of points that no plane separates, off the origin."""
    rng = np.random.default_rng((5, step))
    y = np.tile(np.arange(classes), rows // classes).astype(np.int32)
    centres = np.array([[1.0, 0, 2, 1], [0, 1, 1, 2], [1, 1, 3, 0]])
    return {"x": (centres[y] + rng.normal(size=(rows, 4))).astype(np.float32), "y": y}


CASES: dict[str, Case] = {
    "linear svm": Case(
        lambda wrap: wrap(linear_svm.linear_svm_learner(num_features=4, num_classes=3)),
        lambda step: overlapping(0),
        hypers=linear_svm.Hypers(1.0, 1.0), other_hypers=linear_svm.Hypers(0.1, 10.0), resident=True,
    ),
    "linear svm of two classes": Case(
        lambda wrap: wrap(linear_svm.linear_svm_learner(num_features=4, num_classes=2)),
        lambda step: overlapping(0, classes=2),
        hypers=linear_svm.Hypers(0.5, 2.0), other_hypers=linear_svm.Hypers(2.0, 1.0), resident=True,
    ),
}  # fmt: skip
