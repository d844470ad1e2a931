"""What a few runs of an agent say: the interquartile mean and its bootstrap interval (Agarwal et al., 2021)."""

import numpy as np
from numpy.typing import ArrayLike

from mlr_jax.report.statistics import CONFIDENCE, interquartile_mean


def interquartile_interval(
    scores: ArrayLike, repetitions: int = 2000, seed: int = 0
) -> tuple[float | None, float | None, float | None]:
    """The interquartile mean of all scores, and the ends of its 95 % interval by the stratified bootstrap.

    scores [M] of M runs, or [M, K] on K problems, each of which is a stratum: runs are drawn anew, with replacement,
    within each problem, and the ends are percentiles of the interquartile means of the draws. Values that are not
    finite, of runs that diverged, are left out. None stands for what cannot be computed: without a finite value all
    three, for a single run the ends.

    Raises ValueError for scores of another shape or without a run.
    """
    table = np.asarray(scores, np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or not table.size:
        raise ValueError(f"interquartile_interval: wanted scores [M] or [M, K], got shape {np.shape(scores)}")
    mean = interquartile_mean(table.ravel())
    strata = [column[np.isfinite(column)] for column in table.T]
    strata = [stratum for stratum in strata if len(stratum)]
    if mean is None or max(map(len, strata)) < 2:
        return mean, None, None
    rng = np.random.default_rng(seed)
    drawn = [stratum[rng.integers(0, len(stratum), (repetitions, len(stratum)))] for stratum in strata]
    means = _interquartile_means(np.concatenate(drawn, axis=1))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return mean, float(low), float(high)


def _interquartile_means(rows: np.ndarray) -> np.ndarray:
    ordered = np.sort(rows, axis=1)
    cut = ordered.shape[1] // 4
    return ordered[:, cut : ordered.shape[1] - cut].mean(axis=1)
