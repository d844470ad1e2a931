"""Pictures of detections."""

from typing import NamedTuple

import numpy as np
import pytest

from mlr_jax.report.detection import boxes_drawn, precision_recall
from mlr_jax.report.style import png

BOX = np.array([2.0, 3.0, 12.0, 9.0])


class Found(NamedTuple):
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


def test_true_boxes_are_drawn_on_the_left_and_sure_finds_on_the_right():
    truth = {"boxes": np.array([[BOX, BOX + 4, BOX]]), "y": np.array([[0, 1, 0]]), "is_box": np.array([[1, 1, 0]])}
    found = Found(np.array([[BOX + 1, BOX]]), np.array([[0.9, 0.1]]), np.array([[1, 0]]))
    figure = boxes_drawn(np.zeros((1, 20, 30, 3)), truth, found, ["cat", "dog"])
    left, right = figure.axes
    assert [patch.get_bbox().extents.tolist() for patch in left.patches] == [BOX.tolist(), (BOX + 4).tolist()]
    assert [patch.get_bbox().extents.tolist() for patch in right.patches] == [(BOX + 1).tolist()]
    assert (left.get_title(), right.get_title()) == ("true: 2", "found: 1")
    assert right.texts[0].get_text() == ".90"
    assert right.patches[0].get_edgecolor() == left.patches[1].get_edgecolor() != left.patches[0].get_edgecolor()
    assert png(figure)[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match="got 2 images, 1 of truth and 1 found"):
        boxes_drawn(np.zeros((2, 20, 30, 3)), truth, found, ["cat", "dog"])


def test_a_line_of_precision_for_each_class():
    figure = precision_recall(np.array([[1.0, 0.5], [np.nan, np.nan]]), np.array([0.75, np.nan]), ["cat", "dog"])
    lines = figure.axes[0].lines
    np.testing.assert_array_equal(lines[0].get_xydata(), [[0, 1], [1, 0.5]])
    assert [line.get_label() for line in lines] == ["cat 0.750", "dog nan"]
    assert png(figure)[:4] == b"\x89PNG"
