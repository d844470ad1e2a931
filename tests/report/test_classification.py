import numpy as np
import pytest
from sklearn import metrics

from mlr_jax.report.classification import COUNTED_CLASSES
from mlr_jax.report.figures import confusion_matrix, image_grid, worst_mistakes

NAMES = ["cat", "dog", "owl"]


def test_confusion_matrix_counts_as_scikit_learn_does(pixels):
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 3, 50), rng.integers(0, 3, 50)
    reference = metrics.confusion_matrix(labels, predictions)
    figure = confusion_matrix(labels, predictions, NAMES)
    axes, bar = figure.axes
    counts = np.zeros((3, 3))
    for text in axes.texts:
        column, row = text.get_position()
        counts[row, column] = int(text.get_text())
    np.testing.assert_array_equal(counts, reference)
    np.testing.assert_allclose(axes.images[0].get_array(), reference / reference.sum(axis=1, keepdims=True))
    assert [label.get_text() for label in axes.get_yticklabels()] == NAMES
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Predicted", "True")
    assert bar.get_ylabel() == "Share of the true class"
    assert pixels(figure).std() > 5


def test_confusion_matrix_of_an_absent_class_and_of_many_classes(pixels):
    figure = confusion_matrix([0, 0], [1, 1], NAMES)
    assert np.isfinite(figure.axes[0].images[0].get_array()).all()
    many = confusion_matrix(np.arange(100), np.arange(100), [f"class {i}" for i in range(100)])
    assert not many.axes[0].texts
    assert len(many.axes[0].get_yticks()) <= 2 * COUNTED_CLASSES
    pixels(many)


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        ([0, 3], [0, 1], "labels run from 0 to 3; with 3 class names they must lie in 0 to 2"),
        ([0, 1], [0, -1], "predictions run from -1 to 0"),
        ([0, 1], [0], r"one shape \[N\], got \(2,\) and \(1,\)"),
    ],
)
def test_confusion_matrix_refuses(labels, predictions, message):
    with pytest.raises(ValueError, match=message) as caught:
        confusion_matrix(labels, predictions, NAMES)
    assert "\n" not in str(caught.value)


def test_worst_mistakes_come_first_and_right_answers_never():
    probabilities = [
        [0.6, 0.3, 0.1],  # right
        [0.5, 0.4, 0.1],  # wrong, loss -log 0.4
        [0.9, 0.09, 0.01],  # wrong, loss -log 0.01
        [0.2, 0.7, 0.1],  # wrong, loss -log 0.2
        [0.34, 0.33, 0.33],  # right
    ]
    images = np.arange(5 * 4).reshape(5, 2, 2, 1) / 20
    figure = worst_mistakes(images, [0, 1, 2, 0, 0], probabilities, NAMES)
    assert [axes.get_title() for axes in figure.axes] == ["owl\n→ cat 0.900", "cat\n→ dog 0.700", "dog\n→ cat 0.500"]
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), images[2, ..., 0])
    assert len(worst_mistakes(images, [0, 1, 2, 0, 0], probabilities, NAMES, count=2).axes) == 2


def test_no_mistakes_are_said_so():
    figure = worst_mistakes(np.zeros((1, 2, 2, 1)), [1], [[0.1, 0.8, 0.1]], NAMES)
    assert figure.axes[0].texts[0].get_text() == "No mistakes"


def test_worst_mistakes_refuses_sizes_that_disagree():
    with pytest.raises(ValueError, match=r"probabilities of shape \(1, 3\), got \(1, 2\)") as caught:
        worst_mistakes(np.zeros((1, 2, 2, 1)), [1], [[0.5, 0.5]], NAMES)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 8, 8, 1), (9, 8, 6, 3), (2, 8, 8, 4)])
def test_image_grid_takes_grey_and_colour(shape, pixels):
    images = np.random.default_rng(0).random(shape)
    figure = image_grid(images, [f"image {i}" for i in range(shape[0])])
    assert [axes.get_title() for axes in figure.axes] == [f"image {i}" for i in range(shape[0])]
    assert pixels(figure).std() > 5


def test_image_grid_scales_all_images_together():
    shown = [axes.images[0].get_array() for axes in image_grid(np.asarray([[[-1.0]], [[0.0]], [[3.0]]])).axes]
    np.testing.assert_allclose(np.ravel(shown), [0.0, 0.25, 1.0])
    (axes,) = image_grid(np.asarray([[[0, 51]]], np.uint8)).axes
    np.testing.assert_array_equal(axes.images[0].get_array(), [[0.0, 0.2]])


def test_image_grid_refuses():
    with pytest.raises(ValueError, match=r"C of 1, 3 or 4 and N >= 1, got \(1, 4, 4, 2\)"):
        image_grid(np.zeros((1, 4, 4, 2)))
    with pytest.raises(ValueError, match="2 images need as many titles, got 1"):
        image_grid(np.zeros((2, 4, 4)), ["one"])
