import itertools

import numpy as np
import pytest

from mlr_jax.report.figures import sweep_plot
from mlr_jax.report.statistics import group_by_hypers
from mlr_jax.report.sweeps import swept_fields


def groups_of(settings, seeds=3):
    members = [{"seed": s} | setting for setting in settings for s in range(seeds)]
    values = np.arange(len(members), dtype=float)
    return group_by_hypers(members, {"test_loss": values})


def grid(**fields):
    return [dict(zip(fields, values, strict=True)) for values in itertools.product(*fields.values())]


def test_one_field_is_a_line_with_error_bars(pixels):
    groups = groups_of(grid(learning_rate=[1e-2, 1e-4, 1e-3]))
    figure = sweep_plot(groups, "test_loss")
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "learning_rate"
    assert axes.get_title(loc="left") == "Test loss"
    line = axes.containers[0].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), [1e-4, 1e-3, 1e-2])
    np.testing.assert_array_equal(line.get_ydata(), [4.0, 7.0, 1.0])
    dots = sorted(dot for dots in axes.lines if dots.get_color() == "#888888" for dot in dots.get_ydata())
    np.testing.assert_array_equal(dots, np.arange(9.0))
    (segments,) = (bars.get_segments() for bars in axes.containers[0].lines[2])
    assert segments[0][1, 1] - 4.0 == pytest.approx(2.484138)
    assert pixels(figure).std() > 5


def test_evenly_spaced_values_stay_linear():
    (axes,) = sweep_plot(groups_of(grid(dropout=[0.1, 0.2, 0.3])), "test_loss").axes
    assert axes.get_xscale() == "linear"


def test_names_are_placed_one_by_one():
    (axes,) = sweep_plot(groups_of(grid(norm=["layer", "batch"])), "test_loss").axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["layer", "batch"]


def test_two_fields_are_a_heat_map(pixels):
    figure = sweep_plot(groups_of(grid(learning_rate=[0.1, 0.01], dropout=[0.0, 0.5, 0.9])), "test_loss")
    axes, _ = figure.axes
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("learning_rate", "dropout")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0.01", "0.1"]
    np.testing.assert_array_equal(axes.images[0].get_array(), [[10, 13, 16], [1, 4, 7]])
    assert sorted(float(text.get_text()) for text in axes.texts) == [1, 4, 7, 10, 13, 16]
    assert pixels(figure).std() > 5


def test_a_random_search_has_a_panel_per_field():
    rng = np.random.default_rng(0)
    settings = [{"learning_rate": 10 ** rng.uniform(-4, -1), "dropout": rng.uniform()} for _ in range(12)]
    figure = sweep_plot(groups_of(settings, seeds=1), "test_loss")
    assert [axes.get_xlabel() for axes in figure.axes] == ["learning_rate", "dropout"]
    assert [axes.get_xscale() for axes in figure.axes] == ["log", "linear"]
    assert all(len(axes.lines) == len(axes.containers[0].lines[1]) + 1 for axes in figure.axes)  # no dot on a dot


def test_diverged_settings_leave_a_gap(pixels):
    groups = group_by_hypers([{"seed": 0, "a": a} for a in (1, 2, 3)], {"loss": [1.0, np.nan, 2.0]})
    pixels(sweep_plot(groups, "loss"))
    members = [{"seed": 0} | setting for setting in grid(a=[1, 2], b=[1, 2])]
    pixels(sweep_plot(group_by_hypers(members, {"loss": [np.nan, 1.0, 2.0, 3.0]}), "loss"))
    pixels(sweep_plot(group_by_hypers(members, {"loss": [np.nan] * 4}), "loss"))


def test_swept_fields_take_two_values():
    assert swept_fields(groups_of(grid(a=[1, 2], b=[3]))) == ["a"]
    assert swept_fields([]) == []


def test_sweep_plot_refuses():
    with pytest.raises(ValueError, match=r"no hyper-parameter takes two values in 1 group\(s\)"):
        sweep_plot(groups_of([{}]), "test_loss")
    with pytest.raises(ValueError, match=r"'loss' is not in the group .* metrics are test_loss"):
        sweep_plot(groups_of(grid(a=[1, 2])), "loss")
