"""Parts of an image are taken away, so that no single part decides."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Key
from mlr_jax.data.augment.task import check_image


def cutout(key: Key, image: jax.Array, size: int) -> jax.Array:
    """Set a `size` x `size` square around a random pixel of an image [H, W, C] to 0 (DeVries and Taylor, 2017).

    As in the paper, the part of the square that falls outside the image is lost.

    Raises ValueError if `image` is not [H, W, C] or `size` < 1.
    """
    check_image(image)
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    height, width, _ = image.shape
    row, column = jax.random.randint(key, (2,), 0, jnp.array([height, width]))
    square = rectangle((height, width), row - size // 2, column - size // 2, size, size)
    return jnp.where(square[..., None], jnp.zeros((), image.dtype), image)


def random_erasing(
    key: Key,
    image: jax.Array,
    *,
    chance: float = 0.25,
    area: tuple[float, float] = (0.02, 1 / 3),
    ratio: tuple[float, float] = (0.3, 1 / 0.3),
) -> jax.Array:
    """With probability `chance` fill a random rectangle of an image [H, W, C] with normal noise (Zhong et al., 2020).

    Its area, a part of the image, is uniform in `area`, its height / width log-uniform in `ratio`; sides that are
    longer than the image are cut to it. The noise has mean 0 and variance 1: for images that are standardised already.

    Raises ValueError if `image` is not floating point [H, W, C] or a bound makes no sense.
    """
    check_image(image)
    if not jnp.issubdtype(image.dtype, jnp.floating):
        raise ValueError(f"image must be floating point to be filled with noise, got {image.dtype}")
    if not (0 <= chance <= 1 and 0 < area[0] <= area[1] <= 1 and 0 < ratio[0] <= ratio[1]):
        raise ValueError(f"got chance={chance}, area={area}, ratio={ratio}; parts in [0, 1], lower bound first")
    height, width, _ = image.shape
    chance_key, shape_key, place_key, noise_key = jax.random.split(key, 4)
    pixels, log_ratio = jax.random.uniform(
        shape_key,
        (2,),
        minval=jnp.array([area[0], jnp.log(ratio[0])]),
        maxval=jnp.array([area[1], jnp.log(ratio[1])]),
    )
    side = jnp.sqrt(pixels * height * width * jnp.exp(jnp.array([log_ratio, -log_ratio])))
    rows, columns = jnp.clip(jnp.round(side).astype(int), 1, jnp.array([height, width]))
    top, left = jax.random.randint(place_key, (2,), 0, jnp.array([height - rows + 1, width - columns + 1]))
    erased = rectangle((height, width), top, left, rows, columns) & jax.random.bernoulli(chance_key, chance)
    return jnp.where(erased[..., None], jax.random.normal(noise_key, image.shape, image.dtype), image)


def rectangle(
    shape: Sequence[int], top: jax.Array, left: jax.Array, rows: jax.Array | int, columns: jax.Array | int
) -> jax.Array:
    """Whether each pixel lies in the rectangle of `rows` x `columns` pixels whose first is (top, left): bool [H, W]."""
    row, column = jnp.arange(shape[0]) - top, jnp.arange(shape[1]) - left
    return ((row >= 0) & (row < rows))[:, None] & ((column >= 0) & (column < columns))[None]
