import numpy as np
import pytest

from mlr_jax.report.figures import decision_regions
from mlr_jax.report.regions import MOST_POINTS, Panel, one_hot, plane

POINTS = np.array([[0.0, 10.0], [4.0, 30.0], [2.0, 20.0]], np.float32)


def test_the_plane_reaches_around_the_points():
    grid = plane(POINTS, resolution=5, margin=0.25)
    np.testing.assert_allclose(grid.xs, np.linspace(-1, 5, 5))
    np.testing.assert_allclose(grid.ys, np.linspace(5, 35, 5))
    assert grid.rows.shape == (25, 2)
    assert grid.rows.dtype == np.float32
    np.testing.assert_allclose(grid.rows.reshape(5, 5, 2)[2, 3], [grid.xs[3], grid.ys[2]])
    assert plane(POINTS[:1]).xs[0] < 0 < plane(POINTS[:1]).xs[-1]


def test_each_classifier_has_a_panel_of_its_regions_and_points(pixels):
    grid = plane(POINTS, resolution=40)
    sure = one_hot((grid.rows[:, 0] > 2).astype(int).reshape(40, 40), 2)
    unsure = np.full((40, 40, 2), 0.5)
    panels = [
        Panel("sure", sure, POINTS, np.array([0, 1, 1]), np.array([True, False, False])),
        Panel("unsure", unsure, POINTS, np.array([0, 1, -1])),
    ]
    figure = decision_regions(panels, grid, ["left", "right"], ("width", "height"))
    left, right = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["sure", "unsure"]
    assert (left.get_xlabel(), left.get_ylabel()) == ("width", "height")
    picture = np.asarray(left.images[0].get_array())
    assert (picture[:, 0] == picture[0, 0]).all()
    assert not np.allclose(picture[0, 0], picture[0, -1])
    np.testing.assert_allclose(
        np.asarray(right.images[0].get_array()), picture[:, [0, -1]].mean((0, 1))[None, None] + np.zeros((40, 40, 3))
    )
    boundary = [path.vertices for collection in left.collections for path in collection.get_paths() if len(path) == 40]
    assert boundary
    assert all(abs(x - 2) < 0.2 for x in boundary[0][:, 0])
    counts = [len(collection.get_offsets()) for collection in left.collections]
    assert sum(counts) >= 4  # three points, one of them ringed
    assert pixels(figure).std() > 5


def test_not_more_points_are_drawn_than_can_be_seen():
    points = np.random.default_rng(0).normal(size=(5000, 2))
    grid = plane(points, resolution=4)
    figure = decision_regions([Panel("many", np.ones((4, 4, 1)), points, np.zeros(5000, int))], grid, ["only"])
    assert sum(len(collection.get_offsets()) for collection in figure.axes[0].collections) <= MOST_POINTS


def test_what_does_not_fit_is_refused():
    grid = plane(POINTS, resolution=4)
    with pytest.raises(ValueError, match=r"'bad' has shares of shape \(4, 4, 3\), wanted \(4, 4, 2\)"):
        decision_regions([Panel("bad", np.ones((4, 4, 3)), POINTS, np.zeros(3))], grid, ["a", "b"])
    with pytest.raises(ValueError, match=r"plane: wanted points \[N, 2\], got shape \(3,\)"):
        plane(np.ones(3))
