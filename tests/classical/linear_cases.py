"""Learners of this group for the laws."""

from collections.abc import Callable
from typing import Any

import numpy as np
from learner_case import Case, Wrap

from mlr_jax.classical import lasso, linear, logistic
from mlr_jax.core.types import Learner


def line(step: int, rows: int = 16) -> dict[str, np.ndarray]:
    """A noisy line in columns of unequal scale, correlated and far from zero."""
    rng = np.random.default_rng((11, step))
    x = rng.normal(size=(rows, 4)) @ [[1, 0.5, 0, 0], [0, 1, 0, 0.3], [0, 0, 2, 0], [0, 0, 0, 0.5]] + [1.0, -2, 0, 3]
    y = x @ [1.0, 0, -0.5, 2] + 0.1 * rng.normal(size=rows)
    return {"x": x.astype(np.float32), "y": y.astype(np.float32)}


def classes(step: int, rows: int = 24, num_classes: int = 3) -> dict[str, np.ndarray]:
    """Classes that overlap."""
    rng = np.random.default_rng((12, step))
    y = rng.integers(0, num_classes, rows).astype(np.int32)
    centres = np.random.default_rng(1).normal(size=(num_classes, 4))
    return {"x": (centres[y] + rng.normal(size=(rows, 4))).astype(np.float32), "y": y}


def learner(factory: Callable[..., Learner], *arguments: int, **keywords: Any) -> Callable[[Wrap], Learner]:
    """A learner, wrapped."""
    return lambda wrap: wrap(factory(*arguments, **keywords))


RIDGE = {"batch": line, "hypers": linear.Hypers(), "other_hypers": linear.Hypers(0.1), "tolerance": 1e-4}
NO_HYPERS = {"batch": line, "hypers": linear.NoHypers(), "other_hypers": linear.NoHypers(), "tolerance": 2e-3}
LASSO = {"hypers": lasso.Hypers(0.1), "other_hypers": lasso.Hypers(0.02, 0.5), "tolerance": 1e-4}
LOGISTIC = {"hypers": logistic.Hypers(), "other_hypers": logistic.Hypers(0.1), "tolerance": 1e-3}

CASES: dict[str, Case] = {
    "ridge": Case(learner(linear.ridge_learner, 4), **RIDGE),
    "ridge without intercept": Case(learner(linear.ridge_learner, 4, fit_intercept=False), **RIDGE),
    "least squares": Case(learner(linear.least_squares_learner, 4), **NO_HYPERS),
    "lasso": Case(learner(lasso.lasso_learner, 4), lambda step: line(0), resident=True, **LASSO),
    "logistic": Case(learner(logistic.logistic_learner, 4, 3), lambda step: classes(0), resident=True, **LOGISTIC),
    "logistic binary": Case(
        learner(logistic.logistic_learner, 4, 2), lambda step: classes(0, num_classes=2), resident=True, **LOGISTIC
    ),
}
