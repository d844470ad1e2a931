import numpy as np
import pytest

from mlr_jax.report.style import png
from mlr_jax.report.vision import class_activation, feature_maps, filters

RNG = np.random.default_rng(0)


def shown(figure):
    return [axes.images for axes in figure.axes]


@pytest.mark.parametrize("channels", [1, 3])
def test_each_filter_is_stretched_to_its_range(channels):
    kernel = RNG.normal(size=(3, 3, channels, 5)) * np.array([1e-3, 1, 1, 10, 0])
    images = [np.asarray(one.get_array()) for (one,) in shown(filters(kernel))]
    assert len(images) == 5
    assert all(image.min() == 0 and image.max() == 1 for image in images[:4])
    assert not images[4].any()


def test_of_each_layer_the_channels_that_vary_most_are_shown():
    maps = RNG.normal(size=(4, 4, 6)) * np.array([1, 5, 2, 0.1, 4, 3])
    figure = feature_maps(RNG.random((8, 8, 3)), {"first": maps, "last": maps[:2, :2, :2]}, shown=3)
    rows = shown(figure)
    assert [len(row) for row in rows] == [1, 0, 0, 1, 1, 1, 1, 1, 0]
    for row, channel in zip(rows[3:6], (1, 4, 5), strict=True):
        values = maps[..., channel]
        expected = (values - values.min()) / np.ptp(values)
        np.testing.assert_allclose(np.asarray(row[0].get_array()), expected)
    assert png(figure)[:4] == b"\x89PNG"


def test_maps_lie_over_their_images():
    heats = RNG.random((2, 3, 3)) * np.array([7.0, 0.0])[:, None, None]
    rows = shown(class_activation(RNG.random((2, 8, 6, 1)), heats, ["cat", "dog"]))
    assert [len(row) for row in rows] == [1, 2, 1, 2]
    assert np.asarray(rows[1][1].get_array()).max() == 1
    assert rows[1][1].get_extent() == rows[1][0].get_extent()
    assert not np.asarray(rows[3][1].get_array()).any()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="filters: wanted a kernel"):
        filters(np.zeros((3, 3, 2, 4)))
    with pytest.raises(ValueError, match="class_activation: got 2 images, 1 maps and 2 titles"):
        class_activation(np.zeros((2, 4, 4, 1)), np.zeros((1, 2, 2)), ["a", "b"])
