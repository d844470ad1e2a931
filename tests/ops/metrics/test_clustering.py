from functools import partial

import jax
import numpy as np
import pytest
from ops.metrics.metric_case import ROWS, check_weights, whole_weights
from sklearn import metrics as sk
from sklearn.datasets import load_iris

from mlr_jax.ops.metrics import clustering as ours

PAIRS = {
    "rand": (ours.adjusted_rand, sk.adjusted_rand_score),
    "mutual information": (ours.mutual_information, sk.mutual_info_score),
    "normalized": (ours.normalized_mutual_information, sk.normalized_mutual_info_score),
}


def labellings():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, ROWS).astype(np.int32)
    return y, np.where(rng.uniform(size=ROWS) < 0.6, (y + 1) % 4, rng.integers(0, 4, ROWS)).astype(np.int32)


@pytest.mark.parametrize("name", PAIRS)
def test_two_labellings_as_in_scikit_learn(name):
    metric, reference = PAIRS[name]
    metric = partial(metric, num_labels=4)
    y, labels = labellings()
    for x64, tolerance in ((True, 1e-10), (False, 1e-5)):
        with jax.enable_x64(x64):
            np.testing.assert_allclose(metric(y, labels), reference(y, labels), rtol=tolerance)
            np.testing.assert_allclose(metric(y, y), reference(y, y), rtol=tolerance)
            np.testing.assert_allclose(metric(y * 0, labels), reference(y * 0, labels), atol=tolerance)
            np.testing.assert_allclose(metric(y * 0, y * 0), reference(y * 0, y * 0), atol=tolerance)
    check_weights(metric, y, labels)


def test_contingency_counts_rows():
    y, labels = labellings()
    expected = sk.cluster.contingency_matrix(y, labels)
    np.testing.assert_array_equal(ours.contingency(y, labels, num_labels=4), expected)


def test_silhouette_as_in_scikit_learn():
    iris = load_iris()
    x = iris.data + 1e-3 * np.random.default_rng(0).normal(size=iris.data.shape)
    labels = iris.target.astype(np.int32)
    labels[7] = 3  # alone in its cluster
    expected = sk.silhouette_score(x, labels)
    silhouette = partial(ours.silhouette, num_labels=5)
    with jax.enable_x64(True):
        np.testing.assert_allclose(silhouette(x, labels), expected, rtol=1e-10)
    np.testing.assert_allclose(silhouette(x.astype(np.float32), labels), expected, rtol=1e-5)


def test_silhouette_of_weighted_rows():
    iris = load_iris()
    weight = whole_weights(rows=150)
    x, labels = iris.data.copy(), iris.target.astype(np.int32)
    expected = sk.silhouette_score(np.repeat(x, weight, 0), np.repeat(labels, weight))
    x[weight == 0], labels[weight == 0] = np.nan, 4
    with jax.enable_x64(True):
        np.testing.assert_allclose(ours.silhouette(x, labels, weight, num_labels=5), expected, rtol=1e-8)
        assert np.isnan(ours.silhouette(x, labels * 0, weight, num_labels=5))


def test_the_mean_score_looks_at_no_labels():
    weight = whole_weights()
    scores = np.random.default_rng(0).normal(size=ROWS)
    scores[weight == 0] = np.nan
    expected = np.average(scores[weight > 0], weights=weight[weight > 0])
    np.testing.assert_allclose(ours.mean_score(None, scores, weight), expected, rtol=1e-5)
