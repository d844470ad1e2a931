"""Images lie where their row and column say, and rows have their names."""

import numpy as np
import pytest

from mlr_jax.report.mosaic import mosaic
from mlr_jax.report.style import png


def test_images_lie_in_their_places():
    images = np.arange(6).reshape(2, 3, 1, 1, 1) / np.ones((2, 3, 4, 5, 1)) / 5
    figure = mosaic(images, ["first", "second"])
    (axes,) = figure.axes
    sheet = axes.images[0].get_array()
    assert sheet.shape == (9, 17)
    for row, column in np.ndindex(2, 3):
        part = sheet[5 * row : 5 * row + 4, 6 * column : 6 * column + 5]
        np.testing.assert_allclose(part, (3 * row + column) / 5, atol=1e-6)
    assert (sheet[4] == 1).all()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]
    assert png(figure).startswith(b"\x89PNG")


def test_colours_are_kept_and_values_are_clipped():
    images = np.zeros((1, 2, 3, 3, 3))
    images[0, 0, ..., 1] = 2.0
    sheet = mosaic(images).axes[0].images[0].get_array()
    np.testing.assert_array_equal(sheet[0, 0], [0, 1, 0])


@pytest.mark.parametrize(
    ("shape", "names", "said"),
    [
        ((2, 3, 4, 4, 2), (), "wanted images"),
        ((3, 4, 4, 1), (), "wanted images"),
        ((0, 3, 4, 4, 1), (), "wanted images"),
        ((2, 3, 4, 4, 1), ("one",), "2 rows need as many names, got 1"),
    ],
)
def test_other_shapes_are_refused(shape, names, said):
    with pytest.raises(ValueError, match=said):
        mosaic(np.zeros(shape), names)
