import numpy as np
import pytest

from mlr_jax.report.clusters import Panel, ellipse
from mlr_jax.report.figures import clusters

RNG = np.random.default_rng(0)


def test_an_ellipse_has_the_axes_of_the_covariance():
    assert ellipse(np.diag([4.0, 1.0]), 1.0) == pytest.approx((4.0, 2.0, 0.0))
    turn = np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])
    width, height, angle = ellipse(turn @ np.diag([9.0, 1.0]) @ turn.T, 2.0)
    assert (width, height) == pytest.approx((12.0, 4.0))
    assert np.degrees(0.5) == pytest.approx(angle % 180)


def test_half_of_the_points_of_a_gaussian_lie_in_its_half_ellipse():
    """1 - exp(-r^2 / 2) of a Gaussian lies within r standard deviations."""
    covariance = np.array([[2.0, 1.2], [1.2, 1.0]])
    points = RNG.multivariate_normal([0, 0], covariance, 20000)
    width, height, angle = ellipse(covariance, 1.0)
    turned = points @ np.array(
        [
            [np.cos(np.radians(angle)), -np.sin(np.radians(angle))],
            [np.sin(np.radians(angle)), np.cos(np.radians(angle))],
        ]
    )
    inside = ((2 * turned / [width, height]) ** 2).sum(1) < 1
    assert inside.mean() == pytest.approx(1 - np.exp(-0.5), abs=0.01)


def test_clusters_have_points_centres_and_ellipses(pixels):
    points = RNG.normal(size=(30, 2))
    labels = np.arange(30) % 2
    centres = np.array([[0.0, 0.0], [1.0, 1.0]])
    figure = clusters(
        [
            Panel("k-means", points, labels, centres),
            Panel("mixture", points, labels, centres, np.stack([np.eye(2)] * 2)),
        ],
        ("a", "b"),
    )
    first, second = figure.axes
    assert (first.get_title(loc="left"), second.get_title(loc="left")) == ("k-means", "mixture")
    assert (len(first.patches), len(second.patches)) == (0, 8)
    offsets = np.concatenate([collection.get_offsets() for collection in first.collections])
    assert {tuple(row) for row in np.round(np.vstack([points, centres]), 6)} == {
        tuple(row) for row in np.round(offsets, 6)
    }
    assert pixels(figure).std() > 5


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"clusters: 'a' wanted points \[N, 2\]"):
        clusters([Panel("a", np.ones((4, 2)), np.zeros(3), np.ones((2, 2)))])
    with pytest.raises(ValueError, match="clusters: 'a'"):
        clusters([Panel("a", np.ones((4, 2)), np.zeros(4), np.ones((2, 2)), np.ones((3, 2, 2)))])
