"""Changes of colour equal Pillow's on 8-bit images, to a level; RandAugment is made of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from mlr_jax.data.augment import colour, rand_augment

LEVELS = np.random.default_rng(3).integers(20, 200, (17, 19, 3)).astype(np.uint8)
IMAGE = jnp.asarray(LEVELS / 255, jnp.float32)
PICTURE = Image.fromarray(LEVELS)


@pytest.mark.parametrize(
    ("ours", "pillow"),
    [
        (lambda x: colour.brightness(x, 1.7), lambda p: ImageEnhance.Brightness(p).enhance(1.7)),
        (lambda x: colour.contrast(x, 0.4), lambda p: ImageEnhance.Contrast(p).enhance(0.4)),
        (lambda x: colour.saturation(x, 1.8), lambda p: ImageEnhance.Color(p).enhance(1.8)),
        (lambda x: colour.sharpness(x, 0.2), lambda p: ImageEnhance.Sharpness(p).enhance(0.2)),
        (lambda x: colour.solarise(x, 100 / 255), lambda p: ImageOps.solarize(p, 100)),
        (lambda x: colour.posterise(x, 3), lambda p: ImageOps.posterize(p, 3)),
        (colour.autocontrast, ImageOps.autocontrast),
        (colour.equalise, ImageOps.equalize),
    ],
    ids=["brightness", "contrast", "saturation", "sharpness", "solarise", "posterise", "autocontrast", "equalise"],
)
def test_each_change_is_that_of_pillow(ours, pillow):
    got = np.asarray(jax.jit(ours)(IMAGE)) * 255
    assert np.abs(got - np.asarray(pillow(PICTURE), np.float32)).max() < 1.9  # it rounds in between


def test_a_constant_image_has_no_contrast_to_stretch():
    flat = jnp.full((4, 5, 1), 0.3)
    for change in (colour.autocontrast, colour.equalise):
        np.testing.assert_array_equal(change(flat), flat)


def test_equalise_of_a_large_image_is_that_of_pillow():
    levels = (np.random.default_rng(0).beta(2, 5, (64, 64)) * 255).astype(np.uint8)
    got = np.asarray(colour.equalise(jnp.asarray(levels[..., None] / 255, jnp.float32)))[..., 0] * 255
    np.testing.assert_allclose(got, np.asarray(ImageOps.equalize(Image.fromarray(levels))), atol=1e-3)


def test_rand_augment_keeps_values_in_range_and_draws_for_each_image():
    keys = jax.random.split(jax.random.key(0), 300)
    images = np.asarray(jax.jit(jax.vmap(lambda key: rand_augment(key, IMAGE, count=1, magnitude=15.0)))(keys))
    assert images.min() >= 0
    assert images.max() <= 1
    kinds = {np.round(image, 3).tobytes() for image in images}
    # Fourteen changes, nine of which have two directions.
    assert 21 <= len(kinds) <= 23
    same = np.abs(images - np.asarray(IMAGE)).max((1, 2, 3)) < 1e-3
    assert 0.02 < same.mean() < 0.15


def test_rand_augment_of_no_strength_only_stretches_the_histogram():
    keys = jax.random.split(jax.random.key(0), 100)
    images = np.asarray(jax.jit(jax.vmap(lambda key: rand_augment(key, IMAGE, count=1, magnitude=0.0)))(keys))
    unchanged = np.abs(images - np.asarray(IMAGE)).max((1, 2, 3)) < 1e-3
    assert 0.75 < unchanged.mean() < 0.98  # autocontrast and equalise have no strength


@pytest.mark.parametrize(
    ("image", "keywords", "message"),
    [
        (IMAGE[None], {}, "image must be one image"),
        (LEVELS, {}, r"image must be floating point in \[0, 1\], got uint8"),
        (IMAGE, {"count": 0}, "got count=0"),
        (IMAGE, {"magnitude": 31.0}, "magnitude=31.0"),
        (jnp.concatenate([IMAGE, IMAGE], -1), {}, "image must have 1 or 3 channels"),
    ],
)
def test_wrong_arguments_are_named(image, keywords, message):
    with pytest.raises(ValueError, match=message):
        rand_augment(jax.random.key(0), image, **keywords)
