"""Boxes: measures against counted pixels, suppression against the greedy loop, nothing undefined."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.ops import boxes


def random_boxes(count, seed=0, side=20):
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.integers(0, side, (count, 2, 2)), axis=1) + np.array([[[0, 0], [1, 1]]])
    return corners.reshape(count, 4).astype(np.float32)


def pixels(box, side=24):
    mask = np.zeros((side, side), bool)
    x0, y0, x1, y1 = box.astype(int)
    mask[y0:y1, x0:x1] = True
    return mask


def test_iou_is_the_share_of_common_pixels():
    a, b = random_boxes(6), random_boxes(5, seed=1)
    expected = [[(pixels(p) & pixels(q)).sum() / (pixels(p) | pixels(q)).sum() for q in b] for p in a]
    np.testing.assert_allclose(jax.jit(boxes.pairwise_iou)(a, b), expected, rtol=1e-6)
    np.testing.assert_allclose([boxes.area(box) for box in a], [pixels(box).sum() for box in a])


def test_generalized_iou_is_iou_less_the_empty_share_of_the_hull():
    a, b = random_boxes(8), random_boxes(8, seed=1)
    for p, q, value in zip(a, b, jax.vmap(boxes.generalized_iou)(a, b), strict=True):
        union = pixels(p) | pixels(q)
        rows, columns = np.where(union)
        hull = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        np.testing.assert_allclose(value, boxes.iou(p, q) - (hull - union.sum()) / hull, atol=1e-6)
    assert boxes.generalized_iou(a[0], a[0]) == 1.0


@pytest.mark.parametrize("measure", [boxes.iou, boxes.generalized_iou])
def test_boxes_without_area_give_0_and_finite_gradients(measure):
    point = jnp.array([3.0, 3.0, 3.0, 3.0])
    assert measure(point, point) == 0.0
    for other in (point, jnp.array([0.0, 0.0, 5.0, 5.0]), jnp.array([5.0, 5.0, 4.0, 4.0])):
        assert np.isfinite(jax.grad(measure)(point, other)).all()


def test_the_two_forms_of_a_box_are_inverses_and_clipping_cuts():
    box = jnp.array([1.0, 2.0, 5.0, 10.0])
    np.testing.assert_allclose(boxes.to_centre_form(box), [3, 6, 4, 8])
    np.testing.assert_allclose(boxes.from_centre_form(boxes.to_centre_form(box)), box)
    np.testing.assert_allclose(boxes.clip(jnp.array([-3.0, 2.0, 50.0, 60.0]), 20, 30), [0, 2, 30, 20])


def greedy(box, scores, threshold):
    """(box index, class) pairs that non-maximum suppression keeps, best first."""
    pairs = sorted(np.ndindex(scores.shape), key=lambda pair: -scores[pair])
    kept = []
    for place, label in pairs:
        rivals = [other for other, name in kept if name == label]
        if all(boxes.iou(box[place], box[other]) <= threshold for other in rivals):
            kept.append((place, label))
    return kept


@pytest.mark.parametrize("threshold", [0.1, 0.5])
def test_suppression_keeps_what_the_greedy_loop_keeps(threshold):
    box = random_boxes(30, seed=2)
    scores = np.random.default_rng(3).uniform(0.01, 1, (30, 2)).astype(np.float32)
    suppress = jax.jit(boxes.non_maximum_suppression, static_argnames=("candidates", "most"))
    found = suppress(box, scores, threshold=threshold, candidates=60, most=60)
    kept = greedy(box, scores, threshold)
    assert 5 < len(kept) < 60
    count = int((found.scores > 0).sum())
    np.testing.assert_allclose(found.scores[:count], [scores[pair] for pair in kept])
    np.testing.assert_array_equal(found.labels[:count], [label for _, label in kept])
    np.testing.assert_array_equal(found.boxes[:count], [box[place] for place, _ in kept])


def test_a_box_that_a_dropped_box_overlaps_is_kept():
    chain = jnp.array([[0.0, 0.0, 10.0, 10.0], [4.0, 0.0, 14.0, 10.0], [8.0, 0.0, 18.0, 10.0], [12.0, 0.0, 22.0, 10.0]])
    labels = jnp.zeros(4, jnp.int32)
    np.testing.assert_array_equal(boxes.suppressed(chain, labels, 0.3), [False, True, False, True])
    np.testing.assert_array_equal(boxes.suppressed(chain, jnp.arange(4), 0.3), [False] * 4)


def test_most_and_candidates_bound_what_is_found_and_shapes_do_not_depend_on_it():
    box = jnp.array([[0.0, 0.0, 1.0, 1.0], [5.0, 5.0, 6.0, 6.0], [9.0, 9.0, 10.0, 10.0]])
    scores = jnp.array([[0.3], [0.9], [0.6]])
    found = boxes.non_maximum_suppression(box, scores, candidates=2, most=5)
    np.testing.assert_allclose(found.scores, [0.9, 0.6])
    assert boxes.non_maximum_suppression(box, 0 * scores, most=2).scores.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match=r"boxes and scores: got \(3, 4\) and \(2, 1\)"):
        boxes.non_maximum_suppression(box, scores[:2])
