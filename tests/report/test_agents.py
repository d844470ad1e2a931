"""Figures of agents: the numbers that are drawn, and what does not fit."""

import numpy as np
import pytest

from mlr_jax.report import style
from mlr_jax.report.aggregate import interquartile_interval
from mlr_jax.report.returns import return_curves
from mlr_jax.report.statistics import t_interval
from mlr_jax.report.worlds import drawing_of, filmstrip, policy_maps

RETURNS = np.random.default_rng(0).normal(size=(4, 6)).cumsum(0)
MEMBERS = [{"seed": seed, "rate": rate} for rate in (0.1, 0.2) for seed in range(3)]


def test_both_curves_show_their_mean_and_interval_for_each_setting():
    figure = return_curves([10, 20, 30, 40], RETURNS, MEMBERS, goal=1.5)
    means, robust = figure.axes
    for setting, rows in enumerate((slice(0, 3), slice(3, 6))):
        mean, half_width = t_interval(RETURNS[:, rows])
        np.testing.assert_allclose(means.get_lines()[setting].get_ydata(), mean)
        middle = [interquartile_interval(row)[0] for row in RETURNS[:, rows]]
        np.testing.assert_allclose(robust.get_lines()[setting].get_ydata(), middle)
        band = means.collections[setting].get_paths()[0].vertices[:, 1]
        assert band.max() == pytest.approx((mean + half_width).max())
    assert means.get_lines()[2].get_ydata()[0] == 1.5
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["rate 0.1", "rate 0.2"]
    assert style.png(figure)


def test_one_seed_and_one_evaluation_can_be_drawn():
    assert style.png(return_curves([10], [[1.0]]))


def test_sizes_that_do_not_agree_are_errors():
    with pytest.raises(ValueError, match="4 steps and 2 members need returns"):
        return_curves([1, 2, 3, 4], RETURNS, MEMBERS[:2])
    with pytest.raises(ValueError, match="policy_maps: tiles"):
        policy_maps({"a": (np.zeros((2, 2)), np.zeros((3, 2), int))}, np.full((2, 2), "F"))


@pytest.mark.parametrize(
    ("name", "shape"),
    [("CartPole-v1", (4,)), ("Pendulum-v1", (3,)), ("Acrobot-v1", (6,)), ("MountainCar-v0", (2,)), ("any", (5, 5, 3))],
)
def test_frames_run_from_the_first_to_the_last(name, shape):
    episode = np.random.default_rng(0).normal(size=(40, *shape)).clip(-1, 1)
    figure = filmstrip(episode, drawing_of(name, shape), frames=5)
    assert [axes.get_title() for axes in figure.axes] == ["0", "10", "20", "29", "39"]
    assert style.png(figure)


def test_what_nobody_can_draw_has_no_drawing():
    assert drawing_of("Unknown-v0", (3,)) is None


def test_the_last_channel_lies_on_top():
    picture = np.zeros((2, 2, 2))
    picture[0, 0], picture[1, 1, 0] = 1, 1
    figure = filmstrip(picture[None], drawing_of("any", (2, 2, 2)))
    shown = figure.axes[0].images[0].get_array()
    assert not np.array_equal(shown[0, 0], shown[1, 1])
    np.testing.assert_array_equal(shown[0, 1], 1)


def test_maps_have_an_arrow_on_every_tile_that_can_be_left():
    tiles = np.array([["S", "F"], ["H", "G"]])
    figure = policy_maps({"best": (np.array([[0.5, 1], [0, 0]]), np.array([[2, 1], [0, 0]]))}, tiles)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(text for text in texts if text) == ["0.50", "1.00", "G", "H"]
    arrows = [text for text in figure.axes[0].texts if not text.get_text()]
    assert [np.sign(np.round(np.subtract(arrow.xy, arrow.get_position()), 6)).tolist() for arrow in arrows] == [
        [1, 0],
        [0, 1],
    ]
