import numpy as np
import pytest

from mlr_jax.report.embeddings import Panel
from mlr_jax.report.figures import embeddings, scree


def test_classes_are_named_at_the_middle_of_their_points(pixels):
    points = np.array([[0, 0], [2, 0], [1, 0], [9, 9.0]])
    labels = np.array([0, 0, 0, 1])
    figure = embeddings([Panel("PCA", points, labels), Panel("t-SNE", -points, labels)], ["cat", "dog", "absent"])
    first, second = figure.axes
    assert {text.get_text(): text.get_position() for text in first.texts} == {"cat": (1, 0), "dog": (9, 9)}
    assert [axes.get_title(loc="left") for axes in (first, second)] == ["PCA", "t-SNE"]
    assert not len(first.get_xticks())
    assert len(embeddings([Panel("PCA", points, labels)], ["a", "b"], axes_shown=True).axes[0].get_xticks())
    assert pixels(figure).std() > 5


@pytest.mark.parametrize("count", [3, 8, 12])
def test_classes_have_colours_and_markers_of_their_own(count):
    rng = np.random.default_rng(0)
    figure = embeddings([Panel("", rng.normal(size=(count, 2)), np.arange(count))], list(map(str, range(count))))
    looks = {
        (tuple(collection.get_facecolor()[0]), len(collection.get_paths()[0]))
        for collection in figure.axes[0].collections
    }
    assert len(looks) == count


def test_scree_shows_the_shares_and_where_they_reach_the_marks(pixels):
    figure = scree([0.5, 0.3, 0.15, 0.05], marks=(0.8, 0.95))
    left, right = figure.axes
    assert [patch.get_height() for patch in left.patches] == [0.5, 0.3, 0.15, 0.05]
    np.testing.assert_allclose(right.lines[0].get_ydata(), [0.5, 0.8, 0.95, 1.0])
    assert [text.get_text() for text in right.texts] == ["80% by 2", "95% by 3"]
    pixels(figure)
    assert not scree([0.2, 0.1]).axes[1].texts


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"'PCA' has points of shape \(4, 3\) and 4 labels"):
        embeddings([Panel("PCA", np.ones((4, 3)), np.zeros(4))], ["a"])
    with pytest.raises(ValueError, match=r"scree: wanted shares \[D\], got shape \(2, 2\)"):
        scree(np.ones((2, 2)))
