"""The interquartile mean beside scipy's trimmed mean, its interval beside coverage."""

import numpy as np
import pytest
from scipy.stats import trim_mean

from mlr_jax.report.aggregate import interquartile_interval


@pytest.mark.parametrize("shape", [(7,), (16,), (5, 3)])
def test_the_mean_is_scipys_trimmed_mean(shape):
    scores = np.random.default_rng(0).normal(size=shape)
    mean, low, high = interquartile_interval(scores)
    assert mean == pytest.approx(trim_mean(scores.ravel(), 0.25))
    assert low < mean < high


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng, covered = np.random.default_rng(1), 0
    for trial in range(200):
        _, low, high = interquartile_interval(rng.normal(size=16), repetitions=400, seed=trial)
        covered += low <= 0 <= high
    assert 0.85 <= covered / 200 <= 0.98


def test_draws_stay_within_their_problem():
    """Two problems far apart: drawn freely, the share of the higher one would vary."""
    rng = np.random.default_rng(0)
    scores = np.stack([rng.normal(0, 1, 8), rng.normal(100, 1, 8)], axis=1)
    mean, low, high = interquartile_interval(scores)
    assert mean == pytest.approx(50, abs=2)
    assert high - low < 5


def test_runs_that_diverged_are_left_out_and_one_run_has_no_interval():
    assert interquartile_interval([1.0, np.nan, 3.0])[0] == 2.0
    assert interquartile_interval([4.0]) == (4.0, None, None)
    assert interquartile_interval([np.nan, np.inf]) == (None, None, None)
    with pytest.raises(ValueError, match=r"got shape \(0,\)"):
        interquartile_interval([])
