import numpy as np

from mlr_jax.report.lags import gradient_by_lag


def test_each_network_has_a_dashed_and_a_solid_line_of_one_colour_on_a_log_axis():
    before = {"lstm": 0.9 ** np.arange(5), "gru": 0.8 ** np.arange(5)}
    after = {"lstm": 0.99 ** np.arange(5), "gru": 0.7 ** np.arange(5)}
    figure = gradient_by_lag(before, after, 3)
    [axes] = figure.axes
    lines = axes.get_lines()
    assert axes.get_yscale() == "log"
    assert [line.get_label() for line in lines[:4]] == ["lstm, before", "lstm", "gru, before", "gru"]
    assert [line.get_linestyle() for line in lines[:4]] == ["--", "-", "--", "-"]
    assert lines[0].get_color() == lines[1].get_color() != lines[2].get_color()
    for line, values in zip(lines, (before["lstm"], after["lstm"], before["gru"], after["gru"]), strict=False):
        np.testing.assert_array_equal(line.get_ydata(), values)
    np.testing.assert_array_equal(lines[4].get_xdata(), [3, 3])
