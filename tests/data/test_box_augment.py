"""Augmentation that takes boxes along: a drawn rectangle and its box stay together."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.core.types import Task
from mlr_jax.data.box_augment import Boxed, augment_boxes, colour_jitter, flip, random_flips, random_zoom, window

HEIGHT, WIDTH = 40, 60


def drawn(boxes=((12, 8, 30, 20),), is_box=None):
    """White rectangles on black, and their boxes."""
    x = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for x0, y0, x1, y1 in boxes:
        x[y0:y1, x0:x1] = 1
    return Boxed(jnp.array(x), jnp.array(boxes, jnp.float32), jnp.ones(len(boxes)) if is_box is None else is_box)


def bright(x):
    """The box around what is bright: where it is brighter than halfway between the extremes."""
    rows, columns = np.where(np.asarray(x).mean(-1) > (np.max(x) + np.min(x)) / 2)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], float)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_mirrored_image_has_its_boxes_where_its_rectangles_are(axis):
    boxed = drawn()
    once = flip(boxed, axis)
    np.testing.assert_array_equal(once.boxes[0], bright(once.x))
    assert not np.array_equal(once.boxes, boxed.boxes)
    jax.tree.map(np.testing.assert_array_equal, flip(once, axis), boxed)


def test_random_flips_draw_each_of_the_four_equally_often():
    boxed = drawn()
    many = jax.vmap(random_flips, in_axes=(0, None))(jax.random.split(jax.random.key(0), 200), boxed)
    corners, counts = np.unique(np.asarray(many.boxes[:, 0, :2]), axis=0, return_counts=True)
    np.testing.assert_array_equal(corners, [[12, 8], [12, 20], [30, 8], [30, 20]])
    assert counts.min() > 30


def test_boxes_stay_on_their_rectangles_under_random_zooms():
    zoom = jax.jit(jax.vmap(partial(random_zoom, scale=0.5, stretch=0.3), in_axes=(0, None)))
    many = zoom(jax.random.split(jax.random.key(1), 100), drawn())
    widths = []
    for x, box, is_box in zip(many.x, many.boxes[:, 0], many.is_box[:, 0], strict=True):
        if is_box:
            np.testing.assert_allclose(box, bright(x), atol=1.01)
            widths.append(float(box[2] - box[0]))
    assert len(widths) > 60
    assert min(widths) < 14
    assert max(widths) > 24


def test_a_window_of_the_same_pixels_is_the_image_and_what_leaves_it_is_no_box():
    boxed = drawn(((12, 8, 30, 20), (0, 0, 10, 10)))
    same = window(boxed, jnp.ones(2), jnp.zeros(2))
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-6), same, boxed)
    moved = window(boxed, jnp.ones(2), jnp.array([0.0, 8.0]))
    np.testing.assert_allclose(moved.boxes[0], [4, 8, 22, 20])
    np.testing.assert_array_equal(moved.is_box, [1, 0])  # of the second box a fifth is left
    np.testing.assert_allclose(moved.x[:, :-8], boxed.x[:, 8:], atol=1e-6)
    np.testing.assert_allclose(moved.x[0, -8:], np.full((8, 3), boxed.x.mean()), atol=1e-6)
    assert window(boxed._replace(is_box=jnp.zeros(2)), jnp.ones(2), jnp.zeros(2)).is_box.tolist() == [0, 0]


def test_jitter_changes_colours_alone_and_keeps_them_in_0_to_1():
    boxed = drawn()._replace(x=jax.random.uniform(jax.random.key(0), (HEIGHT, WIDTH, 3)))
    changed = colour_jitter(jax.random.key(1), boxed, strength=0.5)
    assert float(jnp.abs(changed.x - boxed.x).mean()) > 0.02
    assert 0 <= changed.x.min() <= changed.x.max() <= 1
    np.testing.assert_array_equal(changed.boxes, boxed.boxes)
    np.testing.assert_allclose(colour_jitter(jax.random.key(1), boxed, strength=0.0).x, boxed.x, atol=1e-6)


def test_augmented_tasks_see_other_rows_with_each_key_and_bytes_as_numbers():
    def loss(variables, batch, key, hypers):
        return jnp.sum(batch["x"][0]), (batch, {})

    task = augment_boxes(Task(None, loss, "evaluate"), random_flips)
    assert task.evaluate == "evaluate"
    row = drawn()
    batch = {
        "x": np.asarray(row.x * 255, np.uint8)[None].repeat(8, 0),
        "boxes": np.asarray(row.boxes)[None].repeat(8, 0),
        "is_box": np.ones((8, 1), np.float32),
        "y": np.zeros((8, 1), np.int32),
    }
    _, (seen, _) = task.loss({}, batch, jax.random.key(0), None)
    assert len(np.unique(np.asarray(seen["boxes"]), axis=0)) > 1
    for x, box in zip(seen["x"], seen["boxes"], strict=True):
        np.testing.assert_array_equal(box[0], bright(x))
    assert seen["x"].max() == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: augment_boxes(Task(None, None, None)), "at least one function"),
        (lambda: random_zoom(jax.random.key(0), drawn(), scale=-0.1), "scale and stretch: got -0.1"),
        (lambda: colour_jitter(jax.random.key(0), drawn(), strength=1.0), "strength: got 1.0"),
    ],
)
def test_what_cannot_be_done_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()
