"""Images are moved, cropped, mirrored, turned and stretched."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.ndimage import map_coordinates

from mlr_jax.core.types import Key
from mlr_jax.data.augment.task import check_image


def random_crop(key: Key, image: jax.Array, padding: int, size: int | None = None) -> jax.Array:
    """Pad an image [H, W, C] with so many zeros on each side, then cut [size, size] out of it at random.

    Without a size [H, W] is cut, so that the image moves by up to `padding` pixels each way.

    Raises ValueError if `image` is not [H, W, C], `padding` < 0, or `size` is not one that can be cut.
    """
    check_image(image)
    if padding < 0:
        raise ValueError(f"padding must be at least 0, got {padding}")
    padded = jnp.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    if size is not None and not 1 <= size <= min(padded.shape[:2]):
        raise ValueError(f"size: got {size}, allowed are 1 to {min(padded.shape[:2])}, the side of the padded image")
    cut = image.shape if size is None else (size, size, image.shape[2])
    room = jnp.array(padded.shape[:2]) - jnp.array(cut[:2])
    top, left = jax.random.randint(key, (2,), 0, room + 1)
    # Vmapped, this slice becomes a gather, yet of the forms measured at 28x28 and 32x32 (CPU, batch of 128, in a scan)
    # it is the fastest: products with one-hot shift matrices take 5 times as long, selects over all shifts 2 to 25.
    return lax.dynamic_slice(padded, (top, left, 0), cut)


def random_resized_crop(
    key: Key,
    image: jax.Array,
    *,
    area: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> jax.Array:
    """Stretch a random part of an image [H, W, C] to the whole of it (Szegedy et al., 2015).

    The part's area, relative to the image, is uniform in `area`, its width / height (relative to the image's) is
    log-uniform in `ratio`, sides longer than the image are cut to it; values are interpolated linearly.

    Raises ValueError if `image` is not [H, W, C] or a bound makes no sense.
    """
    check_image(image)
    if not (0 < area[0] <= area[1] <= 1 and 0 < ratio[0] <= ratio[1]):
        raise ValueError(f"got area={area}, ratio={ratio}; areas are in (0, 1], ratios positive, lower bound first")
    shape_key, place_key = jax.random.split(key)
    low, high = (jnp.array([area[end], jnp.log(ratio[end])]) for end in (0, 1))
    size, log_ratio = jax.random.uniform(shape_key, (2,), minval=low, maxval=high)
    part = jnp.minimum(jnp.sqrt(size * jnp.exp(jnp.array([-log_ratio, log_ratio]))), 1.0)
    room = (1 - part) * (jnp.array(image.shape[:2]) - 1) / 2  # to where an edge of the part meets one of the image
    return affine(image, jnp.diag(part), room * jax.random.uniform(place_key, (2,), minval=-1.0, maxval=1.0))


def random_affine(
    key: Key, image: jax.Array, *, rotation: float = 0.0, scale: float = 0.0, shear: float = 0.0, shift: float = 0.0
) -> jax.Array:
    """Turn, stretch, slant and move an image [H, W, C] at random, each uniformly up to its bound in both directions.

    rotation and shear are angles in degrees, scale a part of the size (each axis draws its own), shift is in pixels.

    Raises ValueError if `image` is not [H, W, C], a bound is negative or `scale` is not below 1.
    """
    check_image(image)
    if min(rotation, scale, shear, shift) < 0 or scale >= 1:
        raise ValueError(
            f"rotation, scale, shear, shift: got {(rotation, scale, shear, shift)}, all >= 0 and scale < 1"
        )
    bounds = jnp.array([jnp.deg2rad(rotation), jnp.tan(jnp.deg2rad(shear)), scale, scale, shift, shift])
    angle, slant, *rest = bounds * jax.random.uniform(key, (6,), minval=-1.0, maxval=1.0)
    turn = jnp.array([[jnp.cos(angle), -jnp.sin(angle)], [jnp.sin(angle), jnp.cos(angle)]])
    stretch = jnp.array([[1.0 + rest[0], 0.0], [slant, 1.0 + rest[1]]])
    return affine(image, turn @ stretch, jnp.array(rest[2:]))


def affine(image: jax.Array, matrix: jax.Array, shift: jax.Array) -> jax.Array:
    """out[p] = image[c + A (p - c) + s]: pixel p of the result shows that place of the image, c being its centre.

    image [H, W, C], matrix A [2, 2] and shift s [2] in pixels, rows before columns. Between pixels values are
    interpolated linearly, outside of the image they are zero.
    """
    check_image(image)
    height, width, _ = image.shape
    centre = jnp.array([(height - 1) / 2, (width - 1) / 2])
    pixels = jnp.stack(jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij"), axis=-1)
    places = jnp.einsum("ij,hwj->ihw", matrix, pixels - centre[None, None]) + (centre + shift)[:, None, None]

    def sample(channel: jax.Array) -> jax.Array:
        return map_coordinates(channel, list(places), order=1, mode="constant")

    return jax.vmap(sample, in_axes=-1, out_axes=-1)(image)


def random_flip(key: Key, image: jax.Array) -> jax.Array:
    """Mirror an image [H, W, C] left to right with probability 1/2. Raises ValueError if it is not [H, W, C]."""
    check_image(image)
    return jnp.where(jax.random.bernoulli(key), image[:, ::-1], image)
