"""Mixtures lie where they are said to."""

import numpy as np

from mlr_jax.data.mixtures import grid, ring


def test_modes_lie_on_a_circle_and_on_a_square():
    np.testing.assert_allclose(np.linalg.norm(ring(6, radius=3.0).means, axis=1), 3.0, rtol=1e-6)
    np.testing.assert_allclose(ring().means[:3], [[2, 0], [2**0.5, 2**0.5], [0, 2]], atol=1e-6)
    means = grid().means
    assert means.shape == (25, 2)
    assert set(means.ravel().tolist()) == {-4.0, -2.0, 0.0, 2.0, 4.0}


def test_rows_are_drawn_around_the_mode_that_is_their_label():
    mixture = grid(3, std=0.1)
    rows = mixture.draw(5000, seed=1)
    offsets = rows["x"] - mixture.means[rows["y"]]
    np.testing.assert_allclose(offsets.std(0), 0.1, rtol=0.05)
    assert np.bincount(rows["y"], minlength=9).min() > 400
    np.testing.assert_array_equal(mixture.draw(5, seed=2)["x"], mixture.draw(5, seed=2)["x"])
    assert not np.array_equal(mixture.draw(5, seed=2)["x"], mixture.draw(5, seed=3)["x"])
