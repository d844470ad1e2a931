"""Average precision against a computation by hand, and against its definition written as loops."""

import numpy as np
import pytest

from mlr_jax.ops.boxes import Detections, iou
from mlr_jax.ops.metrics.detection import IOU_THRESHOLDS, average_precision, by_name

UNIT = np.array([0.0, 0.0, 10.0, 10.0])


def truth_of(boxes, labels, is_box):
    return {"boxes": np.array(boxes, np.float32), "y": np.array(labels), "is_box": np.array(is_box, np.float32)}


def test_average_precision_by_hand():
    """One class, two boxes in two images; found: a hit, a miss, a hit (IoU 0.8), a repetition of the first hit."""
    far = UNIT + 50
    truth = truth_of([[UNIT], [far]], [[0], [0]], [[1], [1]])
    shorter = far - np.array([0, 0, 2, 0])  # 8 x 10 of 10 x 10
    found = Detections(
        np.array([[UNIT, UNIT + 100, UNIT], [shorter, UNIT, UNIT]]),
        np.array([[0.9, 0.8, 0.3], [0.7, 0.0, 0.0]]),
        np.zeros((2, 3), int),
    )
    scores = average_precision(truth, found, 1)
    # At IoU up to 0.8: right, wrong, right, wrong; precision 1 up to recall 0.5, 2/3 up to 1: of 101 recalls 51 and 50.
    both, one = (51 + 50 * 2 / 3) / 101, 51 / 101
    assert scores.map_50 == pytest.approx(both)
    assert scores.map_75 == pytest.approx(both)
    assert scores.map == pytest.approx((7 * both + 3 * one) / 10)
    assert by_name(scores, ["cell"])["ap_50_cell"] == pytest.approx(both)


def loops(truth, found, label, threshold):
    """The definition, slowly."""
    made = sorted(
        (-found.scores[place], place) for place in np.ndindex(found.scores.shape)
        if found.scores[place] > 0 and found.labels[place] == label
    )  # fmt: skip
    left = {place for place in np.ndindex(truth["y"].shape) if truth["is_box"][place] and truth["y"][place] == label}
    boxes, right, points = len(left), 0, []
    for number, (_, place) in enumerate(made, start=1):
        rivals = [other for other in left if other[0] == place[0]]
        overlaps = [float(iou(found.boxes[place], truth["boxes"][other])) for other in rivals]
        if overlaps and max(overlaps) >= threshold:
            left.remove(rivals[int(np.argmax(overlaps))])
            right += 1
        points.append((right / boxes, right / number))
    return np.mean([max([p for r, p in points if r >= recall], default=0) for recall in np.linspace(0, 1, 101)])


def test_average_precision_is_its_definition():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 30, (4, 5, 2))
    truth = truth_of(
        np.concatenate([corners, corners + 12], -1), rng.integers(0, 2, (4, 5)), rng.random((4, 5)) < 0.8
    )  # fmt: skip
    boxes = np.concatenate([truth["boxes"] + rng.normal(0, spread, (4, 5, 4)) for spread in (1.5, 3)], axis=1)
    labels = np.where(rng.random((4, 10)) < 0.9, np.tile(truth["y"], 2), 1)
    found = Detections(boxes, rng.permutation(40).reshape(4, 10) / 40, labels)
    scores = average_precision(truth, found, 3)
    expected = np.array([[loops(truth, found, label, t) for t in IOU_THRESHOLDS] for label in (0, 1)])
    assert 0.2 < expected[:, 0].min() < 1
    np.testing.assert_allclose(scores.ap_50[:2], expected[:, 0], atol=1e-12)
    np.testing.assert_allclose(scores.ap[:2], expected.mean(axis=1), atol=1e-12)
    assert scores.map == pytest.approx(expected.mean())
    assert np.isnan(scores.ap[2])  # a class without a box, and not part of any mean


def test_nothing_found_and_nothing_to_find():
    truth = truth_of([[UNIT]], [[0]], [[1]])
    nothing = Detections(np.zeros((1, 2, 4)), np.zeros((1, 2)), np.zeros((1, 2), int))
    assert average_precision(truth, nothing, 1).map == 0.0
    diverged = nothing._replace(scores=np.full((1, 2), np.nan))
    assert average_precision(truth, diverged, 1).map_50 == 0.0
    with pytest.raises(ValueError, match="no image has a box"):
        average_precision(truth_of([[UNIT]], [[0]], [[0]]), nothing, 1)
    with pytest.raises(ValueError, match="got 1 images, truth has 2"):
        average_precision(truth_of([[UNIT]] * 2, [[0]] * 2, [[1]] * 2), nothing, 1)
