"""Pictures of generated points."""

import numpy as np
import pytest

from mlr_jax.report.generated import planar_samples
from mlr_jax.report.style import PALETTE

MEANS = np.array([[0.0, 0.0], [2.0, 0.0]])


def test_good_and_bad_samples_have_their_own_colours_in_a_panel_for_each_set():
    from matplotlib.colors import to_rgba

    samples = {"first": np.array([[0.1, 0.0], [1.0, 0.0], [2.0, 0.2]]), "second": np.full((4, 2), 9.0)}
    figure = planar_samples(samples, MEANS, 0.3)
    first, second = figure.axes[:2]
    assert [axes.get_title(loc="left") or axes.get_title() for axes in (first, second)] == ["first", "second"]
    counts = {tuple(dots.get_facecolor()[0]): len(dots.get_offsets()) for dots in first.collections[1:]}
    assert counts == {to_rgba(PALETTE[0]): 2, to_rgba(PALETTE[1]): 1}
    assert [len(dots.get_offsets()) for dots in second.collections] == [2, 0, 4]


@pytest.mark.parametrize(
    ("samples", "message"),
    [({}, "got no samples"), ({"first": np.zeros((3, 3))}, r"'first' has samples of shape \(3, 3\)")],
)
def test_what_cannot_be_drawn_is_refused(samples, message):
    with pytest.raises(ValueError, match=message):
        planar_samples(samples, MEANS, 0.3)
