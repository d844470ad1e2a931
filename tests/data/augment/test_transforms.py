import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from mlr_jax.core.types import Task
from mlr_jax.data.augment import (
    affine,
    augment,
    cutout,
    random_affine,
    random_crop,
    random_erasing,
    random_flip,
    random_resized_crop,
)

IMAGE = jnp.arange(1, 1 + 5 * 4 * 2, dtype=jnp.float32).reshape(5, 4, 2)
KEYS = jax.random.split(jax.random.key(0), 200)


def over_keys(transform, image=IMAGE):
    return np.asarray(jax.jit(jax.vmap(transform, (0, None)))(KEYS, image))


@pytest.mark.parametrize("padding", [0, 1, 2])
def test_crops_are_exactly_the_windows_of_the_padded_image(padding):
    padded = np.pad(np.asarray(IMAGE), ((padding, padding), (padding, padding), (0, 0)))
    shifts = range(2 * padding + 1)
    windows = {padded[top : top + 5, left : left + 4].tobytes() for top in shifts for left in shifts}
    crops = over_keys(lambda key, image: random_crop(key, image, padding))
    assert {crop.tobytes() for crop in crops} == windows


@pytest.mark.parametrize(("padding", "size"), [(0, 2), (0, 4), (1, 3), (1, 6)])
def test_smaller_crops_are_exactly_the_windows_of_their_size(padding, size):
    padded = np.pad(np.asarray(IMAGE), ((padding, padding), (padding, padding), (0, 0)))
    height, width = padded.shape[:2]
    windows = {
        padded[top : top + size, left : left + size].tobytes()
        for top in range(height - size + 1)
        for left in range(width - size + 1)
    }
    crops = over_keys(lambda key, image: random_crop(key, image, padding, size))
    assert {crop.tobytes() for crop in crops} == windows


def test_flip_mirrors_columns_of_half_of_the_images_and_is_its_own_inverse():
    flipped = over_keys(random_flip)
    mirrored = (flipped != np.asarray(IMAGE)).any((1, 2, 3))
    np.testing.assert_array_equal(flipped[mirrored], np.broadcast_to(IMAGE[:, ::-1], flipped[mirrored].shape))
    assert 70 < mirrored.sum() < 130
    twice = over_keys(lambda key, image: random_flip(key, random_flip(key, image)))
    np.testing.assert_array_equal(twice, np.broadcast_to(IMAGE, twice.shape))


@pytest.mark.parametrize("size", [1, 2, 3, 20])
def test_cutout_removes_one_square_around_any_pixel_and_nothing_else(size):
    def expected(row, column):
        image = np.array(IMAGE)
        top, left = row - size // 2, column - size // 2
        image[max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = 0
        return image.tobytes()

    images = over_keys(lambda key, image: cutout(key, image, size))
    assert {image.tobytes() for image in images} == {expected(row, column) for row in range(5) for column in range(4)}
    largest = np.max((images[..., 0] == 0).sum((1, 2)))
    assert largest == min(size, 5) * min(size, 4)


@pytest.mark.parametrize(
    "transform", [functools.partial(random_crop, padding=1), random_flip, functools.partial(cutout, size=2)]
)
@pytest.mark.parametrize("dtype", [jnp.uint8, jnp.bfloat16])
def test_transforms_keep_the_dtype(transform, dtype):
    assert transform(jax.random.key(0), IMAGE.astype(dtype)).dtype == dtype


def probe_task():
    """A task whose loss hands back what it was given."""

    def loss(variables, batch, key, hypers):
        return jnp.zeros(()), (variables, {"x": batch["x"], "y": batch["y"], "key": key})

    return Task(lambda key: {}, loss, lambda variables, batch: {"x": batch["x"]})


def metrics_of(task, batch, key):
    return jax.jit(task.loss)({}, batch, key, ())[1][1]


def test_augment_changes_images_of_the_loss_only():
    batch = {"x": jnp.broadcast_to(IMAGE, (16, 5, 4, 2)), "y": jnp.arange(16)}
    task = augment(probe_task(), functools.partial(random_crop, padding=2), random_flip)
    seen = metrics_of(task, batch, jax.random.key(1))
    assert len({np.asarray(image).tobytes() for image in seen["x"]}) > 8  # each row draws its own
    np.testing.assert_array_equal(seen["y"], batch["y"])
    np.testing.assert_array_equal(task.evaluate({}, batch)["x"], batch["x"])
    np.testing.assert_array_equal(metrics_of(task, batch, jax.random.key(1))["x"], seen["x"])
    assert (metrics_of(task, batch, jax.random.key(2))["x"] != seen["x"]).any()


def test_augment_applies_transforms_in_order_with_a_key_for_each():
    def add_noise(key, image):
        return image + jax.random.uniform(key, ())

    batch = {"x": jnp.ones((3, 2, 2, 1)), "y": jnp.zeros(3)}
    key = jax.random.key(5)
    noise = metrics_of(augment(probe_task(), add_noise), batch, key)["x"] - 1
    noise_then_zero = metrics_of(augment(probe_task(), add_noise, lambda key, image: 0 * image), batch, key)["x"]
    zero_then_noise = metrics_of(augment(probe_task(), lambda key, image: 0 * image, add_noise), batch, key)["x"]
    assert not noise_then_zero.any()
    assert (np.abs(zero_then_noise - noise) > 1e-4).all()


def test_the_wrapped_task_gets_a_key_of_its_own():
    key = jax.random.key(5)
    inner = metrics_of(augment(probe_task(), lambda key, image: image), {"x": IMAGE[None], "y": jnp.zeros(1)}, key)[
        "key"
    ]
    assert inner != key
    assert inner != jax.random.split(jax.random.fold_in(key, 0), 1)[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda key: random_crop(key, IMAGE, -1), "padding must be at least 0, got -1"),
        (lambda key: random_crop(key, IMAGE, 1, 7), "size: got 7, allowed are 1 to 6"),
        (lambda key: random_crop(key, IMAGE, 0, 0), "size: got 0, allowed are 1 to 4"),
        (
            lambda key: random_crop(key, IMAGE[None], 1),
            r"image must be one image, \[H, W, C\], got shape \[1, 5, 4, 2\]",
        ),
        (lambda key: random_flip(key, IMAGE[0]), r"got shape \[4, 2\]"),
        (lambda key: cutout(key, IMAGE, 0), "size must be at least 1, got 0"),
        (lambda key: random_erasing(key, IMAGE, chance=2.0), "got chance=2.0"),
        (lambda key: random_erasing(key, IMAGE.astype(int)), "must be floating point to be filled with noise"),
        (lambda key: random_resized_crop(key, IMAGE, area=(0.5, 1.5)), r"got area=\(0.5, 1.5\)"),
        (lambda key: augment(probe_task()), "transforms must be at least one function"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(jax.random.key(0))


def test_affine_equals_scipy():
    matrix, shift = np.array([[0.9, 0.2], [-0.1, 1.1]]), np.array([0.3, -0.7])
    centre = np.array([2.0, 1.5])
    offset = centre + shift - matrix @ centre
    expected = [
        scipy.ndimage.affine_transform(np.asarray(IMAGE[..., c]), matrix, offset, order=1, mode="grid-constant")
        for c in range(2)
    ]
    result = affine(IMAGE, jnp.asarray(matrix), jnp.asarray(shift))
    np.testing.assert_allclose(result, np.stack(expected, axis=-1), atol=1e-4)


def test_affine_by_a_quarter_turn_is_a_quarter_turn():
    square = IMAGE[:4]
    turned = affine(square, jnp.array([[0.0, 1.0], [-1.0, 0.0]]), jnp.zeros(2))
    assert np.allclose(turned, np.rot90(square), atol=1e-5) or np.allclose(turned, np.rot90(square, -1), atol=1e-5)


def test_random_affine_without_bounds_changes_nothing_and_with_each_bound_something():
    np.testing.assert_allclose(over_keys(random_affine), np.broadcast_to(IMAGE, (200, *IMAGE.shape)), atol=1e-5)
    for bound in ({"rotation": 20.0}, {"scale": 0.3}, {"shear": 20.0}, {"shift": 1.0}):
        changed = over_keys(functools.partial(random_affine, **bound))
        assert (np.abs(changed - np.asarray(IMAGE)).max((1, 2, 3)) > 0.05).mean() > 0.9, bound


@pytest.mark.parametrize("bound", [{"rotation": -1.0}, {"scale": 1.0}, {"shift": -0.1}])
def test_random_affine_refuses_bounds_that_make_no_sense(bound):
    with pytest.raises(ValueError, match="rotation, scale, shear, shift: got"):
        random_affine(KEYS[0], IMAGE, **bound)


def test_erasing_fills_one_rectangle_of_the_asked_area_with_noise_in_as_many_images_as_asked():
    image = jnp.full((20, 16, 2), 0.5)
    images = over_keys(functools.partial(random_erasing, chance=0.3, area=(0.1, 0.2), ratio=(0.5, 2.0)), image)
    is_noise = (images != 0.5).all(-1)
    assert 0.2 < is_noise.any((1, 2)).mean() < 0.4
    for erased in is_noise[is_noise.any((1, 2))]:
        rows, columns = erased.any(1).sum(), erased.any(0).sum()
        assert erased.sum() == rows * columns
        assert 0.08 < erased.mean() < 0.22
        assert 0.35 < rows / columns < 2.6
    noise = images[is_noise]
    np.testing.assert_allclose([noise.mean(), noise.std()], [0, 1], atol=0.05)


def test_a_resized_crop_of_a_slope_is_a_gentler_slope_within_the_image():
    row, column = np.mgrid[:20, :30] / 1.0
    image = jnp.asarray(np.stack([row, column], -1), jnp.float32)
    crops = over_keys(functools.partial(random_resized_crop, area=(0.2, 0.6), ratio=(0.8, 1.25)), image)
    fall, run = crops[:, 1, 0, 0] - crops[:, 0, 0, 0], crops[:, 0, 1, 1] - crops[:, 0, 0, 1]
    corner = crops[:, 0, 0]
    expected = np.stack(
        [corner[:, :1, None] + fall[:, None, None] * row, corner[:, 1:, None] + run[:, None, None] * column], -1
    )
    np.testing.assert_allclose(crops, expected, atol=1e-3)
    np.testing.assert_allclose([(fall * run).min(), (fall * run).max()], [0.2, 0.6], atol=0.02)
    np.testing.assert_allclose([(run / fall).min(), (run / fall).max()], [0.8, 1.25], atol=0.03)
    assert len(np.unique(corner[:, 0])) > 150


def test_a_resized_crop_of_everything_is_the_image():
    crops = over_keys(functools.partial(random_resized_crop, area=(1.0, 1.0), ratio=(1.0, 1.0)))
    np.testing.assert_allclose(crops, np.broadcast_to(IMAGE, crops.shape), rtol=1e-5)
