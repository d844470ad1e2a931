"""Gradient boosting for the laws."""

import numpy as np
from learner_case import Case

from mlr_jax.classical.boosting import Hypers, boosting_learner
from mlr_jax.classical.boosting_losses import softmax


def rows(step: int, count: int = 16) -> dict[str, np.ndarray]:
    """Three classes that two of three columns tell apart, the same in every step."""
    rng = np.random.default_rng(4)
    y = rng.integers(0, 3, count).astype(np.int32)
    x = rng.normal(size=(count, 3)) + np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0]])[y]
    return {"x": x.astype(np.float32), "y": y}


CASES: dict[str, Case] = {
    "boosting": Case(
        lambda wrap: wrap(boosting_learner(softmax(3), num_trees=4, max_depth=2, max_bins=8)),
        rows, hypers=Hypers(), other_hypers=Hypers(0.3, 1.0), resident=True, tolerance=1e-4,
    ),
}  # fmt: skip
