"""Images drawn from grey levels: their mean, their range, and what a seed fixes."""

import jax
import numpy as np

from mlr_jax.data.augment.levels import binarise, dequantise, drawn_once

images = np.tile(np.float32([0.0, 0.2, 0.7, 1.0]).reshape(1, 2, 2, 1), (4000, 1, 1, 1))


def test_binarised_images_are_ones_with_the_probability_of_their_levels():
    drawn = drawn_once(binarise, images, seed=0)
    assert set(np.unique(drawn)) == {0.0, 1.0}
    np.testing.assert_allclose(drawn.mean(0).ravel(), [0.0, 0.2, 0.7, 1.0], atol=0.03)
    np.testing.assert_array_equal(drawn, drawn_once(binarise, images, seed=0))
    assert (drawn != drawn_once(binarise, images, seed=1)).any()


def test_dequantised_images_fill_the_gaps_between_levels():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    for image in (levels[0], levels[0] / np.float32(255)):
        drawn = dequantise(jax.random.key(0), image)
        np.testing.assert_array_equal(np.floor(np.asarray(drawn, np.float64) * 256).ravel(), np.arange(256))
    assert 0.4 < np.mean(np.asarray(drawn) * 256 % 1) < 0.6
