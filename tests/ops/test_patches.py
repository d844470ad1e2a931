import numpy as np
import pytest

from mlr_jax.ops.convolution import conv2d
from mlr_jax.ops.patches import from_patches, to_patches

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 6, 9, 4)).astype(np.float32)


def test_a_product_with_patches_is_a_convolution_of_that_stride():
    kernel = RNG.normal(size=(3, 3, 4, 5)).astype(np.float32)
    expected = conv2d(X, kernel, stride=3, padding="VALID")
    np.testing.assert_allclose(to_patches(X, 3) @ kernel.reshape(-1, 5), expected, rtol=1e-4, atol=1e-5)


def test_there_and_back_is_the_same():
    np.testing.assert_array_equal(from_patches(to_patches(X, 3), 3), X)
    assert from_patches(X, 2).shape == (2, 12, 18, 1)


def test_what_does_not_tile_is_refused():
    with pytest.raises(ValueError, match="size: got 2, must divide both sides"):
        to_patches(X, 2)
    with pytest.raises(ValueError, match="size: got 3, its square must divide the 4 channels"):
        from_patches(X, 3)
