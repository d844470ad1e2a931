"""Naive Bayes for the laws."""

import numpy as np
from learner_case import Case

from mlr_jax.classical.naive_bayes import (
    CountHypers,
    GaussianHypers,
    bernoulli,
    gaussian,
    multinomial,
    naive_bayes_learner,
)


def counts(step: int, rows: int = 16) -> dict[str, np.ndarray]:
    """Small counts of three classes."""
    rng = np.random.default_rng((5, step))
    y = rng.integers(0, 3, rows).astype(np.int32)
    rates = np.random.default_rng(1).gamma(2.0, size=(3, 5))
    return {"x": rng.poisson(rates[y]).astype(np.float32), "y": y}


GAUSSIAN = {"hypers": GaussianHypers(1e-3), "other_hypers": GaussianHypers(0.1)}
COUNTS = {"hypers": CountHypers(), "other_hypers": CountHypers(0.3, 1.5)}

CASES: dict[str, Case] = {
    "naive Bayes gaussian": Case(lambda wrap: wrap(naive_bayes_learner(gaussian, 5, 3)), counts, **GAUSSIAN),
    "naive Bayes multinomial": Case(lambda wrap: wrap(naive_bayes_learner(multinomial, 5, 3)), counts, **COUNTS),
    "naive Bayes bernoulli": Case(lambda wrap: wrap(naive_bayes_learner(bernoulli, 5, 3)), counts, **COUNTS),
}
