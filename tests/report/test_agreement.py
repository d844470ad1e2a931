import numpy as np
import pytest

from mlr_jax.report.agreement import agreement

MEASURED = np.array([0.0, 1.0, 3.0])
WRONG = MEASURED + np.array([1, -1, 1])


def test_each_regressor_has_a_panel_of_its_dots_in_one_scale_and_its_error_in_the_title():
    figure = agreement(MEASURED, {"good": MEASURED, "bad": WRONG}, "length")
    good, bad = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["good: error 0.00", "bad: error 1.00"]
    assert (bad.get_xlabel(), bad.get_ylabel()) == ("measured length", "predicted length")
    np.testing.assert_array_equal(bad.lines[1].get_xydata(), np.stack([MEASURED, WRONG], 1))
    for axes in (good, bad):
        np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[0, 0], [4, 4]])
    assert good.lines[1].get_color() != bad.lines[1].get_color()


def test_predictions_of_another_length_are_an_error():
    with pytest.raises(ValueError, match=r"'short' has shape \(2,\), measured \(3,\)"):
        agreement(MEASURED, {"short": MEASURED[:2]}, "length")
