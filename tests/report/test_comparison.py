import numpy as np
import pytest

from mlr_jax.report.figures import comparison, importances
from mlr_jax.report.statistics import interval


def test_methods_have_dots_with_intervals_and_published_figures_a_stroke(pixels):
    ours = [3.0, 3.4, 3.2]
    rows = {"forest": {"ours": ours, "scikit-learn": [3.1, 3.1, 3.4]}, "linear": {"scikit-learn": [8.0]}}
    figure = comparison(rows, "Error, %", marks={"forest": 3.18})
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["forest", "linear"]
    bars = axes.containers[0]
    assert bars.lines[0].get_xdata()[0] == pytest.approx(3.2)
    [segment] = bars.lines[2][0].get_segments()
    assert segment[1, 0] - 3.2 == pytest.approx(interval(ours)["ci95"])
    assert [3.18, 3.18] in [list(line.get_xdata()) for line in axes.lines]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ours", "scikit-learn", "published"]
    assert pixels(figure).std() > 5


def test_the_most_important_come_first(pixels):
    values = np.array([[0.1, 0.7, 0.2], [0.1, 0.5, 0.4]])
    figure = importances(values, ["a", "b", "c"], shown=2)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "c"]
    np.testing.assert_allclose([patch.get_width() for patch in axes.patches], [0.6, 0.3])
    pixels(figure)
    pixels(importances([0.3, 0.7], ["a", "b"]))


def test_another_number_of_names_is_refused():
    with pytest.raises(ValueError, match=r"importances: got values of shape \(2, 3\) for 2 names"):
        importances(np.ones((2, 3)), ["a", "b"])
