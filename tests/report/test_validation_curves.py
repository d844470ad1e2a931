import numpy as np
import pytest

from mlr_jax.report.figures import bias_variance, coefficient_paths, fits, score_curves

PENALTIES = np.logspace(-3, 1, 5)


def test_curves_are_means_with_bands_and_the_least_is_marked(pixels):
    values = np.array([[3, 5], [2, 2], [4, 8], [9, 9], [9, 9]], float)
    panels = {
        "Penalty": (PENALTIES, {"train": values / 2, "validation": values}),
        "Rows": ([1, 2, 3], {"train": values[:3]}),
    }
    figure = score_curves(panels, ["penalty", "rows"], "error", best={"Penalty": "validation"})
    first, second = figure.axes
    assert (first.get_xscale(), second.get_xscale()) == ("log", "linear")
    assert (first.get_xlabel(), second.get_xlabel(), first.get_ylabel()) == ("penalty", "rows", "error")
    train, validation, mark = first.lines
    np.testing.assert_allclose(train.get_ydata(), [2, 1, 3, 4.5, 4.5])
    np.testing.assert_allclose(validation.get_ydata(), [4, 2, 6, 9, 9])
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (PENALTIES[1], 2)
    assert len(second.lines) == 1
    assert len(first.collections) == 2
    assert train.get_color() == second.lines[0].get_color()
    assert pixels(figure).std() > 5


def test_one_member_has_no_band_and_does_no_harm(pixels):
    pixels(score_curves({"": ([1, 2], {"error": [[1.0], [2.0]]})}, "rows", "error"))


def test_the_parts_of_the_error_are_stacked(pixels):
    figure = bias_variance(
        [1, 2, 3], [0.5, 0.2, 0.1], [0.1, 0.2, 0.3], noise=0.05, error=[0.66, 0.45, 0.46], x_label="degree"
    )
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "noise",
        "bias²",
        "variance",
        "error, measured",
    ]
    tops = [collection.get_paths()[0].vertices[:, 1].max() for collection in axes.collections]
    np.testing.assert_allclose(tops, [0.05, 0.55, 0.65])
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [0.66, 0.45, 0.46])
    pixels(figure)


def test_fits_show_each_function_their_mean_and_the_truth(pixels):
    x = np.linspace(0, 1, 20)
    functions = x[None] + np.array([[-0.1], [0.1]])
    figure = fits({"straight": functions, "again": functions}, x, x**2, (x[:3], x[:3]))
    axes = figure.axes[0]
    np.testing.assert_allclose([line.get_ydata() for line in axes.lines[:2]], functions)
    np.testing.assert_allclose(axes.lines[-1].get_ydata(), x, atol=1e-12)
    np.testing.assert_allclose(axes.lines[-2].get_ydata(), x**2)
    pixels(figure)


def test_paths_name_the_largest_coefficients_without_overlap(pixels):
    rng = np.random.default_rng(0)
    paths = rng.normal(size=(5, 14)) * np.arange(1, 15)
    names = [f"x{i}" for i in range(14)]
    figure = coefficient_paths({"Lasso": (PENALTIES, paths)}, names, {"Lasso": 0.1})
    (axes,) = figure.axes
    drawn = [line for line in axes.lines if len(line.get_xdata()) == 5]
    np.testing.assert_allclose(np.stack([line.get_ydata() for line in drawn], axis=1), paths)
    largest = set(np.argsort(-np.abs(paths).max(0))[:10])
    assert {text.get_text() for text in axes.texts} == {names[i] for i in largest}
    heights = sorted(text.xy[1] for text in axes.texts)
    low, high = axes.get_ylim()
    assert np.diff(heights).min() > 0.05 * (high - low)
    assert axes.get_xlim()[0] > axes.get_xlim()[1]
    pixels(figure)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"score_curves: got values of shape \(3, 1\), wanted \[2, M\]"):
        score_curves({"": ([1, 2], {"error": np.ones((3, 1))})}, "rows", "error")
    with pytest.raises(ValueError, match=r"coefficient_paths: 'Lasso' has shape \(5, 2\), wanted \(5, 3\)"):
        coefficient_paths({"Lasso": (PENALTIES, np.ones((5, 2)))}, ["a", "b", "c"])
    with pytest.raises(ValueError, match="bias_variance: wanted four arrays"):
        bias_variance([1, 2], [1], [1, 2], noise=0, error=[1, 2], x_label="degree")
