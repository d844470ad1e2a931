"""The best split of a node beside every cut tried one after another."""

import jax.numpy as jnp
import numpy as np

from mlr_jax.classical.tree_criteria import Criterion
from mlr_jax.classical.tree_split import best_splits

LEAST_WEIGHT = 2.0


def quality(s):
    """What squared error gains: (sum of y)² / weight."""
    return s[1] ** 2 / jnp.maximum(s[0], 1e-30)


def gain(left, right):
    is_allowed = (left[0] >= LEAST_WEIGHT) & (right[0] >= LEAST_WEIGHT)
    return jnp.where(is_allowed, quality(left) + quality(right) - quality(left + right), -jnp.inf)


CRITERION = Criterion(weight=lambda s: s[0], is_mixed=lambda s: s[0] > 0, gain=gain, least_gain=jnp.float32(0))


def by_hand(histogram):
    """The greatest gain of a node with histogram [B + 1, C, J], over features, cuts and sides of missing values."""
    gains = {}
    for j in range(histogram.shape[2]):
        for cut in range(len(histogram) - 1):
            for missing_left in (False, True):
                left = histogram[: cut + 1, :, j].sum(0) + missing_left * histogram[-1, :, j]
                right = histogram[:, :, j].sum(0) - left
                if left[0] >= LEAST_WEIGHT and right[0] >= LEAST_WEIGHT:
                    total = left + right
                    parts = [s[1] ** 2 / s[0] for s in (left, right, total)]
                    gains[j, cut, missing_left] = parts[0] + parts[1] - parts[2]
    return gains


def some_histograms(nodes, missing):
    rng = np.random.default_rng(3)
    rows, features, bins = 40, 3, 6
    histogram = np.zeros((bins + 1, 2, features, nodes), np.float32)
    for node in range(nodes):
        y = rng.normal(size=rows)
        for j in range(features):
            codes = rng.integers(0, bins + missing, rows)
            np.add.at(histogram[:, 0, j, node], codes, 1)
            np.add.at(histogram[:, 1, j, node], codes, y)
    return histogram


def test_the_best_of_all_cuts_is_found():
    for missing in (False, True):
        histogram = some_histograms(4, missing)
        split = best_splits(jnp.asarray(histogram), CRITERION)
        for node in range(4):
            gains = by_hand(histogram[..., node])
            np.testing.assert_allclose(split.gain[node], max(gains.values()), rtol=1e-4)
            feature, cut = int(split.feature[node]), int(split.cut[node])
            assert max(gains.get((feature, cut, side), 0) for side in (False, True)) >= max(gains.values()) * (1 - 1e-4)


def test_the_next_code_beyond_the_cut_is_one_that_a_row_has():
    histogram = np.zeros((6, 2, 1, 1), np.float32)
    histogram[0, :, 0, 0] = 3, 3  # three rows of value 1 at code 0, three of value -1 at code 4
    histogram[4, :, 0, 0] = 3, -3
    split = best_splits(jnp.asarray(histogram), CRITERION)
    assert (int(split.cut[0]), int(split.beyond[0])) == (0, 4)


def test_no_cut_is_found_where_none_is_allowed():
    histogram = np.zeros((4, 2, 2, 1), np.float32)
    histogram[0, 0] = 5  # all rows are alike
    assert best_splits(jnp.asarray(histogram), CRITERION).gain[0] == -np.inf
