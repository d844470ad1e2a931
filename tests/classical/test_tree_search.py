"""The search for splits in groups of nodes and blocks of features finds what one pass over all finds."""

import jax
import numpy as np
import pytest

from mlr_jax.classical import tree, tree_search

ROWS = np.random.default_rng(0).normal(size=(200, 7)).astype(np.float32)
CLASSES = (np.sin(2 * ROWS[:, 0]) + ROWS[:, 5] * ROWS[:, 6] > 0).astype(np.int32) + (ROWS[:, 3] > 1)


def grown():
    """A tree by a program of its own, so that the constants of the search are read anew."""
    fit = jax.jit(lambda x, y: tree.fit(tree.Hypers(), x, y, num_classes=3, max_depth=5, max_bins=16))
    return fit(ROWS, CLASSES)


@pytest.mark.parametrize(("table", "cuts"), [(1, 1000), (400, 1000), (1, 0), (1 << 21, 0), (300, 1)])
def test_groups_of_nodes_and_blocks_of_features_change_nothing(table, cuts, monkeypatch):
    monkeypatch.setattr(tree_search, "SMALL_TABLE", 1 << 30)
    monkeypatch.setattr(tree_search, "CUTS_PER_ROW", 1 << 20)
    expected = grown()
    monkeypatch.setattr(tree_search, "SMALL_TABLE", table)
    monkeypatch.setattr(tree_search, "CUTS_PER_ROW", cuts)
    for name, leaf in grown()._asdict().items():
        np.testing.assert_allclose(leaf, getattr(expected, name), rtol=1e-6, err_msg=name)
    assert len(np.unique(expected.feature)) > 4
