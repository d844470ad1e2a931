"""RandAugment: a few of fourteen changes, drawn anew for each image, all of one strength."""

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Key
from mlr_jax.data.augment import colour
from mlr_jax.data.augment.geometry import affine
from mlr_jax.data.augment.task import check_image

_MOVES = 5
"""Rotate, shear along either axis, translate along either axis: one affine map. The other changes are of colour."""
_CHANGES = 14


def rand_augment(key: Key, image: jax.Array, *, count: int = 2, magnitude: float = 9.0) -> jax.Array:
    """Change an image [H, W, C] with values in [0, 1], C = 1 or 3, `count` times in a row (Cubuk et al., 2020).

    Each change is one of: identity, autocontrast, equalise, rotate, solarise, colour, posterise, contrast, brightness,
    sharpness, shear and translate along either axis, with equal chance. magnitude, 0 to 30, is the strength of all;
    where a change has two directions each has equal chance. What moves in is black.

    Raises ValueError if `image` is not floating point [H, W, C] or a number is out of range.
    """
    check_image(image)
    if not jnp.issubdtype(image.dtype, jnp.floating):
        raise ValueError(f"image must be floating point in [0, 1], got {image.dtype}")
    if count < 1 or not 0 <= magnitude <= 30:
        raise ValueError(f"got count={count}, magnitude={magnitude}; count is at least 1, magnitude from 0 to 30")
    strength = magnitude / 30
    for index in range(count):
        change_key, sign_key = jax.random.split(jax.random.fold_in(key, index))
        change = jax.random.randint(change_key, (), 0, _CHANGES)
        signed = strength * jax.random.rademacher(sign_key, (), jnp.float32)
        # Mapped over a batch all changes are computed and one is kept, so those that an affine map can be are one.
        image = affine(image, *_move(change, signed, image.shape))
        image = _change_colour(change - _MOVES, strength, signed, image)
    return image


def _move(change: jax.Array, signed: jax.Array, shape: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    """The matrix and the shift of the changes 0 to 4, of strength -1 to 1, and the identity for others."""
    turn, down, right, fall, slide = (jnp.where(change == index, signed, 0.0) for index in range(_MOVES))
    angle = jnp.deg2rad(30) * turn
    matrix = jnp.array([[jnp.cos(angle), 0.3 * down - jnp.sin(angle)], [0.3 * right + jnp.sin(angle), jnp.cos(angle)]])
    return matrix, 150 / 331 * jnp.array([shape[0] * fall, shape[1] * slide])


def _change_colour(change: jax.Array, strength: float, signed: jax.Array, image: jax.Array) -> jax.Array:
    factor = 1 + 0.9 * signed
    changes = [
        lambda: image,
        lambda: colour.autocontrast(image),
        lambda: colour.equalise(image),
        lambda: colour.solarise(image, 1 - strength),
        lambda: colour.posterise(image, 8 - round(4 * strength)),
        lambda: colour.saturation(image, factor),
        lambda: colour.contrast(image, factor),
        lambda: colour.brightness(image, factor),
        lambda: colour.sharpness(image, factor),
    ]
    return jax.lax.switch(jnp.maximum(change, 0), changes)
