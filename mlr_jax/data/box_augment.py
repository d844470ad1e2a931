"""Random changes of images that take their boxes along, made on the device inside the compiled step.

Each changes ONE image and its boxes: a pure function of an explicit key. `augment_boxes` puts them before a `Task`:

    augment_boxes(task, random_flips, partial(random_zoom, scale=0.3), partial(colour_jitter, strength=0.2))
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Batch, Hypers, Key, Metrics, Task, Variables
from mlr_jax.data.augment.task import in_order
from mlr_jax.ops.boxes import area, clip
from mlr_jax.ops.pixels import as_floats

LEAST_VISIBLE = 0.3
"""A box of which less than this part is left in the image is no box any more."""


class Boxed(NamedTuple):
    """An image x [H, W, C] in [0, 1] with boxes [M, 4] in its pixels, of which those with is_box [M] = 1 are there."""

    x: jax.Array
    boxes: jax.Array
    is_box: jax.Array


BoxTransform = Callable[[Key, Boxed], Boxed]
"""key, image with boxes -> the same of the same shapes."""


def augment_boxes(task: Task, *transforms: BoxTransform) -> Task:
    """`task` whose loss sees `x`, `boxes` and `is_box` of its batch through the `transforms`, in order.

    Each row and each transform has its own key, derived from the key of the loss. Images of bytes become numbers in
    [0, 1]. Evaluation is unchanged. Raises ValueError if no transform is given.
    """
    transform = in_order(*transforms)

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        x = as_floats(batch["x"])
        keys = jax.random.split(jax.random.fold_in(key, 0), len(x))
        changed = jax.vmap(transform)(keys, Boxed(x, batch["boxes"], batch["is_box"]))
        return task.loss(variables, {**batch, **changed._asdict()}, jax.random.fold_in(key, 1), hypers)

    return task._replace(loss=loss)


def random_flips(key: Key, boxed: Boxed) -> Boxed:
    """Mirror left to right, and top to bottom, each with probability 1/2."""
    sideways, upright = jax.random.bernoulli(key, shape=(2,))
    boxed = _where(sideways, flip(boxed, axis=1), boxed)
    return _where(upright, flip(boxed, axis=0), boxed)


def flip(boxed: Boxed, axis: int) -> Boxed:
    """The image mirrored along its rows (axis 0, top to bottom) or columns (axis 1, left to right)."""
    side = boxed.x.shape[axis]
    low, high = (1, 3) if axis == 0 else (0, 2)
    boxes = boxed.boxes.at[:, low].set(side - boxed.boxes[:, high]).at[:, high].set(side - boxed.boxes[:, low])
    return Boxed(jnp.flip(boxed.x, axis), boxes, boxed.is_box)


def random_zoom(key: Key, boxed: Boxed, scale: float = 0.3, stretch: float = 0.1) -> Boxed:
    """Show a part of the image larger, or all of it smaller: crop, translation and change of scale in one.

    Lengths are multiplied by z in [1 / (1 + scale), 1 + scale], and by up to 1 + stretch more in one direction than in
    the other, all uniform in the logarithm. The window lies at random: within the image where that is larger, around
    it where it is smaller. Raises ValueError for a negative scale or stretch.
    """
    if min(scale, stretch) < 0:
        raise ValueError(f"scale and stretch: got {scale} and {stretch}, must be at least 0")
    height, width, _ = boxed.x.shape
    draws = jax.random.uniform(key, (4,))
    zoom = math.log1p(scale) * (2 * draws[0] - 1)
    ratio = math.log1p(stretch) * (draws[1] - 0.5)
    step = jnp.exp(-zoom + jnp.array([-1.0, 1.0]) * ratio)  # pixels of the image per pixel of the window, y and x
    origin = draws[2:] * (1 - step) * jnp.array([height, width])
    return window(boxed, step, origin)


def window(boxed: Boxed, step: jax.Array, origin: jax.Array) -> Boxed:
    """What a window sees whose upper left corner lies at `origin` (y, x) and whose pixels are `step` (y, x) wide.

    out = Y (x - m) X' + m: resampling along the axes is a product from each side, with rows of weights that fall off
    linearly over the width of a pixel, the larger of old and new. Beyond the image the window sees its mean colour m.
    """
    height, width, channels = boxed.x.shape
    mean = jnp.mean(boxed.x, axis=(0, 1), keepdims=True)
    rows, columns = _weights(height, step[0], origin[0]), _weights(width, step[1], origin[1])
    seen = (rows @ (boxed.x - mean).reshape(height, width * channels)).reshape(height, width, channels)
    seen = jnp.einsum("vw,hwc->hvc", columns, seen) + mean
    in_window = (boxed.boxes - jnp.tile(origin[::-1], 2)[None]) / jnp.tile(step[::-1], 2)[None]
    kept = jax.vmap(lambda box: clip(box, height, width))(in_window)
    is_visible = jax.vmap(area)(kept) > LEAST_VISIBLE * jax.vmap(area)(in_window)
    return Boxed(seen, kept, boxed.is_box * is_visible)


def colour_jitter(key: Key, boxed: Boxed, strength: float = 0.2) -> Boxed:
    """Change brightness, contrast, saturation and the balance of the channels, each by up to `strength` either way.

    Raises ValueError for a strength outside [0, 1).
    """
    if not 0.0 <= strength < 1.0:
        raise ValueError(f"strength: got {strength}, must be at least 0 and less than 1")
    draws = 1.0 + strength * jax.random.uniform(key, (3 + boxed.x.shape[-1],), minval=-1.0, maxval=1.0)
    brightness, contrast, saturation = draws[:3]
    x = boxed.x * (brightness * draws[3:])[None, None]
    gray = jnp.mean(x, axis=-1, keepdims=True)
    x = gray + saturation * (x - gray)
    mean = jnp.mean(x)
    return boxed._replace(x=jnp.clip(mean + contrast * (x - mean), 0.0, 1.0))


def _weights(side: int, step: jax.Array, origin: jax.Array) -> jax.Array:
    """[side, side]: how much each pixel of the image (columns) gives to each pixel of the window (rows)."""
    pixels = jnp.arange(side) + 0.5
    places = origin + step * pixels
    reach = jnp.maximum(step, 1.0)
    return jnp.maximum(1.0 - jnp.abs(places[:, None] - pixels[None]) / reach, 0.0) / reach


def _where(condition: jax.Array, first: Boxed, second: Boxed) -> Boxed:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), first, second)
