import numpy as np
import pytest
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.colors import to_hex

from mlr_jax.report import style
from mlr_jax.report.figures import curves
from mlr_jax.report.learning_curves import by_metric
from mlr_jax.report.statistics import t_interval


def records_of(members, names=("train_loss", "val_loss", "train_accuracy"), steps=6, fall=1.0):
    rng = np.random.default_rng(0)
    return [
        {"step": s, "wall_s": 0.1} | {n: np.exp(-fall * s / 3) * (1 + 0.1 * rng.random(members)) for n in names}
        for s in range(1, steps + 1)
    ]


def legends(figure):
    return [[text.get_text() for text in legend.get_texts()] for legend in figure.legends]


def bands(axes):
    return [c for c in axes.collections if isinstance(c, FillBetweenPolyCollection)]


def test_names_are_joined_by_metric():
    assert by_metric(["train_loss", "return", "val_loss", "test_f1_score", "train_"]) == {
        "loss": {"train": "train_loss", "val": "val_loss"},
        "return": {"": "return"},
        "f1_score": {"test": "test_f1_score"},
        "train_": {"": "train_"},
    }


def test_a_panel_per_metric_and_a_line_per_split(pixels):
    figure = curves(records_of(20))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Loss", "Accuracy (train)"]
    assert [len(axes.lines) for axes in figure.axes] == [2, 1]
    assert all(axes.get_xlabel() == "Step" for axes in figure.axes)
    assert legends(figure) == [["train", "val"]]
    assert pixels(figure).std() > 5


def test_the_line_is_the_mean_and_the_band_the_interval():
    records = records_of(20, ["val_loss"])
    (axes,) = curves(records).axes
    values = np.stack([record["val_loss"] for record in records])
    mean, half_width = t_interval(values)
    np.testing.assert_allclose(axes.lines[0].get_ydata(), mean)
    (band,) = bands(axes)
    corners = band.get_paths()[0].vertices[:, 1]
    assert corners.max() == pytest.approx((mean + half_width).max())
    assert corners.min() == pytest.approx((mean - half_width).min())


def test_few_members_are_drawn_one_by_one():
    (axes,) = curves(records_of(4, ["val_loss"])).axes
    assert len(axes.lines) == 4 + 1
    (axes,) = curves(records_of(1, ["val_loss"])).axes
    assert not bands(axes)


def test_settings_have_colours_and_a_legend(pixels):
    members = [{"seed": s, "learning_rate": r} for s in range(10) for r in (0.1, 0.01)]
    figure = curves(records_of(20, ["train_loss", "val_loss"]), members=members)
    assert legends(figure) == [["train", "val"], ["0.01", "0.1"]]
    (axes,) = figure.axes
    assert [line.get_color() for line in axes.lines] == [*style.PALETTE[:2], *style.PALETTE[:2]]
    assert [line.get_linestyle() for line in axes.lines] == ["--", "--", "-", "-"]
    assert pixels(figure).std() > 5


def test_members_go_to_the_line_of_their_setting():
    members = [{"seed": 0, "rate": 2.0}, {"seed": 0, "rate": 1.0}]
    records = [{"step": s, "loss": np.asarray([20.0, 10.0])} for s in (1, 2)]
    (axes,) = curves(records, members=members).axes
    by_colour = {to_hex(line.get_color()).upper(): line.get_ydata()[0] for line in axes.lines}
    assert by_colour == {style.PALETTE[0]: 10.0, style.PALETTE[1]: 20.0}


def test_many_numeric_settings_share_a_logarithmic_colour_bar():
    members = [{"seed": 0, "learning_rate": float(r)} for r in np.geomspace(1e-4, 1e-1, 9)]
    figure = curves(records_of(9, ["val_loss"]), members=members)
    axes, bar = figure.axes
    assert bar.get_ylabel() == "learning_rate"
    assert bar.get_yscale() == "log"
    assert len({to_hex(line.get_color()) for line in axes.lines}) == 9
    assert not legends(figure)


def test_many_named_settings_are_numbered_and_a_dozen_is_named():
    members = [{"seed": 0, "a": i, "b": -i} for i in range(14)]
    figure = curves(records_of(14, ["val_loss"]), members=members)
    assert figure.axes[1].get_ylabel() == "setting, in order of appearance"
    assert all(tick == round(tick) for tick in figure.axes[1].get_yticks())
    figure = curves(records_of(9, ["val_loss"]), members=[{"seed": 0, "norm": f"n{i}"} for i in range(9)])
    assert legends(figure) == [[f"n{i}" for i in range(9)]]


def test_a_wide_band_does_not_dwarf_the_members():
    (axes,) = curves([{"step": s, "loss": np.asarray([1.0, 2.0])} for s in (1, 2)]).axes
    low, high = axes.get_ylim()
    assert 0.9 < low < 1.0
    assert 2.0 < high < 2.1
    assert bands(axes)[0].get_paths()[0].vertices[:, 1].max() > 7.0


def test_a_single_record_is_a_point_with_an_error_bar():
    figure = curves([*records_of(20, ["val_loss"]), {"step": 6, "test_loss": np.linspace(1, 2, 20)}])
    (axes,) = figure.axes
    assert [line.get_marker() for line in axes.lines[:2]] == ["None", "o"]
    assert axes.containers
    assert [handle.get_marker() for handle in figure.legends[0].get_lines()] == ["None", "o"]
    assert [handle.get_linestyle() for handle in figure.legends[0].get_lines()] == ["-", "None"]


@pytest.mark.parametrize(("fall", "scale"), [(0.1, "linear"), (5.0, "log")])
def test_a_wide_range_is_drawn_on_a_log_axis(fall, scale):
    (axes,) = curves(records_of(12, ["val_loss"], fall=fall)).axes
    assert axes.get_yscale() == scale


def test_diverged_members_do_not_stop_the_drawing(pixels):
    records = records_of(3, ["val_loss"])
    records[-1]["val_loss"][:] = np.nan
    records[-2]["val_loss"][0] = np.nan
    assert pixels(curves(records)).std() > 5
    pixels(curves([{"step": 1, "loss": np.asarray([np.nan])}]))


def test_curves_refuse():
    with pytest.raises(ValueError, match="the records hold no metric"):
        curves([])
    with pytest.raises(ValueError, match="no record holds 'x'"):
        curves(records_of(2), ["x"])
    with pytest.raises(ValueError, match="'train_loss' has 2 values a record for 1 members"):
        curves(records_of(2), members=[{"seed": 0}])
