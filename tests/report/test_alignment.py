import numpy as np

from mlr_jax.report.alignment import Alignment, draw_alignments


def test_a_map_for_each_with_what_was_read_across_and_what_was_written_down():
    weights = np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])
    figure = draw_alignments([Alignment("abc", "xy", weights)] * 3, columns=2)
    assert len(figure.axes) == 4
    axis = figure.axes[2]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["a", "b", "c"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["x", "y"]
    np.testing.assert_array_equal(axis.images[0].get_array(), weights)
    assert not figure.axes[3].axison
