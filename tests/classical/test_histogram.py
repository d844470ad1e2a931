"""Histograms beside numpy's."""

import jax
import numpy as np

from mlr_jax.classical.histogram import class_sums, column_sums, histograms

ROWS, FEATURES, NODES, CODES, CLASSES = 50, 3, 4, 6, 3
RNG = np.random.default_rng(0)
codes = RNG.integers(0, CODES, (FEATURES, ROWS)).astype(np.uint8)
node = RNG.integers(0, NODES + 1, ROWS).astype(np.int32)  # the last is no node
y = RNG.integers(0, CLASSES, ROWS)
weight = RNG.uniform(0.5, 2, ROWS).astype(np.float32)


def by_numpy(columns):
    """columns [N, C] -> [CODES, C, FEATURES, NODES]."""
    table = np.zeros((CODES, columns.shape[1], FEATURES, NODES))
    for row in np.flatnonzero(node < NODES):
        for feature in range(FEATURES):
            table[codes[feature, row], :, feature, node[row]] += columns[row]
    return table


def test_class_weights():
    counted = histograms(class_sums(y, weight, CLASSES), codes, node, num_nodes=NODES, num_codes=CODES)
    np.testing.assert_allclose(counted, by_numpy(np.eye(CLASSES)[y] * weight[:, None]), rtol=1e-5)


def test_columns():
    columns = np.stack([weight, weight * y], axis=1).astype(np.float32)
    counted = histograms(column_sums(columns), codes, node, num_nodes=NODES, num_codes=CODES)
    np.testing.assert_allclose(counted, by_numpy(columns), rtol=1e-5)


def test_weights_are_an_axis_of_one_program():
    def count(weight):
        return histograms(class_sums(y, weight, CLASSES), codes, node, num_nodes=NODES, num_codes=CODES)

    weights = np.stack([weight, weight[::-1]])
    np.testing.assert_allclose(jax.vmap(count)(weights), np.stack([count(row) for row in weights]), rtol=1e-6)
