"""Targets against the rule written as loops, and back to boxes."""

import jax
import numpy as np

from mlr_jax.supervised.detection_targets import RADIUS, REACH, assign, boxes_at, distances_to, locations

STRIDES = (8, 16, 32)
HEIGHT, WIDTH = 90, 140  # no multiples of the strides


def by_loops(grid, boxes, labels, is_box):
    """(label, distances, centreness) of each location, or None."""
    for (x, y), stride in zip(grid.points, grid.stride, strict=True):
        level = STRIDES.index(int(stride))
        best, best_area = None, np.inf
        for box, label, real in zip(boxes, labels, is_box, strict=True):
            left, up, right, down = x - box[0], y - box[1], box[2] - x, box[3] - y
            farthest = max(left, up, right, down)
            suits = level == len(STRIDES) - 1 or farthest <= REACH * stride
            suits &= level == 0 or farthest > REACH * STRIDES[level - 1]
            near = max(abs(x - (box[0] + box[2]) / 2), abs(y - (box[1] + box[3]) / 2)) < RADIUS * stride
            area = (box[2] - box[0]) * (box[3] - box[1])
            if real and min(left, up, right, down) > 0 and near and suits and area < best_area:
                ratio = min(left, right) / max(left, right) * min(up, down) / max(up, down)
                best, best_area = (label, [left, up, right, down], ratio**0.5), area
        yield best


def test_each_location_has_the_smallest_box_that_it_may_be_asked_for():
    rng = np.random.default_rng(0)
    grid = locations(HEIGHT, WIDTH, STRIDES)
    assert len(grid.points) == 12 * 18 + 6 * 9 + 3 * 5
    np.testing.assert_array_equal(grid.points[[0, 1, 18]], [[4, 4], [12, 4], [4, 12]])
    corners = rng.uniform(0, 80, (12, 2))
    boxes = np.concatenate(
        [corners, corners + np.linspace(10, 300, 12)[:, None] * rng.uniform(0.8, 1.2, (12, 2))], axis=1
    ).astype(np.float32)
    labels, is_box = rng.integers(0, 3, 12), rng.random(12) < 0.8
    targets = jax.jit(assign)(grid, boxes, labels, is_box.astype(np.float32))
    levels = set()
    for place, expected in enumerate(by_loops(grid, boxes, labels, is_box)):
        assert bool(targets.is_object[place]) == (expected is not None)
        if expected:
            label, distances, centreness = expected
            assert targets.label[place] == label
            np.testing.assert_allclose(targets.distances[place], distances, rtol=1e-5)
            np.testing.assert_allclose(targets.centreness[place], centreness, rtol=1e-5)
            levels.add(int(grid.stride[place]))
    assert levels == set(STRIDES)


def test_distances_and_points_give_the_boxes_back():
    boxes = np.array([[10.0, 20.0, 40.0, 30.0], [0.0, 0.0, 5.0, 6.0]], np.float32)
    points = np.array([[15.0, 25.0], [30.0, 22.0], [3.0, 3.0]], np.float32)
    distances = distances_to(points, boxes)
    np.testing.assert_array_equal(distances[0, 0], [5, 5, 25, 5])
    for column, box in enumerate(boxes):
        np.testing.assert_allclose(boxes_at(points, distances[:, column]), np.tile(box, (3, 1)))


def test_an_image_without_boxes_asks_for_nothing():
    grid = locations(32, 32, STRIDES)
    targets = assign(grid, np.zeros((2, 4), np.float32), np.zeros(2, np.int32), np.zeros(2, np.float32))
    assert not targets.is_object.any()
    assert np.isfinite(targets.centreness).all()
