"""Random changes of the training data, made on the device inside the compiled step.

Most change ONE image, [H, W, C], and keep its label: pure functions of an explicit key, vmapped by the caller.
`augment` puts any of them in front of a `Task`; `mixup` wraps a `Task` too, since it mixes rows and their labels:

    mixup(augment(task, partial(random_crop, padding=4), random_flip), alpha=0.2)
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.ndimage import map_coordinates

from mlr_jax.core.types import Batch, Hypers, Key, Metrics, Task, Variables

Transform = Callable[[Key, jax.Array], jax.Array]
"""key, image [H, W, C] -> image of the same shape and dtype."""


def augment(task: Task, *transforms: Transform) -> Task:
    """`task` whose loss sees `batch["x"]` [B, H, W, C] through the `transforms`, in order; its evaluation is unchanged.

    Each row and each transform has its own key, derived from the key of the loss, so the step stays a pure function.

    Raises ValueError if no transform is given.
    """
    if not transforms:
        raise ValueError("transforms must be at least one function of (key, image), got none")

    def transform_image(key: Key, image: jax.Array) -> jax.Array:
        for index, transform in enumerate(transforms):
            image = transform(jax.random.fold_in(key, index), image)
        return image

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        images = batch["x"]
        image_keys = jax.random.split(jax.random.fold_in(key, 0), len(images))
        augmented = {**batch, "x": jax.vmap(transform_image)(image_keys, images)}
        return task.loss(variables, augmented, jax.random.fold_in(key, 1), hypers)

    return task._replace(loss=loss)


def random_crop(key: Key, image: jax.Array, padding: int) -> jax.Array:
    """Shift an image [H, W, C] by up to `padding` pixels each way: pad it with zeros, then cut [H, W] at random.

    Raises ValueError if `image` is not [H, W, C] or `padding` < 0.
    """
    _check_image(image)
    if padding < 0:
        raise ValueError(f"padding must be at least 0, got {padding}")
    padded = jnp.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    top, left = jax.random.randint(key, (2,), 0, 2 * padding + 1)
    # Vmapped, this slice becomes a gather, yet of the forms measured at 28x28 and 32x32 (CPU, batch of 128, in a scan)
    # it is the fastest: products with one-hot shift matrices take 5 times as long, selects over all shifts 2 to 25.
    return lax.dynamic_slice(padded, (top, left, 0), image.shape)


def random_affine(
    key: Key, image: jax.Array, *, rotation: float = 0.0, scale: float = 0.0, shear: float = 0.0, shift: float = 0.0
) -> jax.Array:
    """Turn, stretch, slant and move an image [H, W, C] at random, each uniformly up to its bound in both directions.

    rotation and shear are angles in degrees, scale a part of the size (each axis draws its own), shift is in pixels.

    Raises ValueError if `image` is not [H, W, C], a bound is negative or `scale` is not below 1.
    """
    _check_image(image)
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
    _check_image(image)
    height, width, _ = image.shape
    centre = jnp.array([(height - 1) / 2, (width - 1) / 2])
    pixels = jnp.stack(jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij"), axis=-1)
    places = jnp.einsum("ij,hwj->ihw", matrix, pixels - centre[None, None]) + (centre + shift)[:, None, None]

    def sample(channel: jax.Array) -> jax.Array:
        return map_coordinates(channel, list(places), order=1, mode="constant")

    return jax.vmap(sample, in_axes=-1, out_axes=-1)(image)


def random_flip(key: Key, image: jax.Array) -> jax.Array:
    """Mirror an image [H, W, C] left to right with probability 1/2. Raises ValueError if it is not [H, W, C]."""
    _check_image(image)
    return jnp.where(jax.random.bernoulli(key), image[:, ::-1], image)


def cutout(key: Key, image: jax.Array, size: int) -> jax.Array:
    """Set a `size` x `size` square around a random pixel of an image [H, W, C] to 0 (DeVries and Taylor 2017).

    As in the paper, the part of the square that falls outside the image is lost.

    Raises ValueError if `image` is not [H, W, C] or `size` < 1.
    """
    _check_image(image)
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    height, width, _ = image.shape
    row, column = jax.random.randint(key, (2,), 0, jnp.array([height, width]))

    def covered(length: int, centre: jax.Array) -> jax.Array:
        offset = jnp.arange(length) - (centre - size // 2)
        return (offset >= 0) & (offset < size)

    square = covered(height, row)[:, None, None] & covered(width, column)[None, :, None]
    return jnp.where(square, jnp.zeros((), image.dtype), image)


def mixup(task: Task, alpha: float) -> Task:
    """`task` whose loss sees each real row mixed with another one, inputs and labels alike (Zhang et al., 2018).

        x' = lambda x + (1 - lambda) x[p],  lambda ~ Beta(alpha, alpha)
        L = lambda loss(x', y) + (1 - lambda) loss(x', y[p])

    One lambda and one permutation p of the real rows are drawn for the batch; padding maps to itself. For a loss that
    is linear in the label's distribution, as cross-entropy is, L is the loss of the mixed label lambda y + (1 - lambda)
    y[p]. Both losses have one key, so the same dropout; updated collections and metrics are those of the first, so
    accuracy is that of x' against y. Evaluation is unchanged.

    Args:
        task: its batches hold floating-point `"x"` [B, ...] and `"y"` [B, ...].
        alpha: > 0; towards 0 rows stay apart, towards infinity lambda is 1/2.

    Raises:
        ValueError: `alpha` is not positive and finite or, once traced, `"x"` is not floating point.
    """
    if not 0 < alpha < math.inf:
        raise ValueError(f"alpha must be positive and finite, got {alpha}")

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        x, y = batch["x"], batch["y"]
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise ValueError(f'batch["x"] must be floating point to be mixed, got {x.dtype}')
        weight_key, order_key, task_key = jax.random.split(key, 3)
        weight = jax.random.beta(weight_key, alpha, alpha)
        partners = _permutation_of_real_rows(order_key, batch.get("mask", jnp.ones(len(x))))
        mixed = {**batch, "x": (weight * x + (1 - weight) * x[partners]).astype(x.dtype)}
        own, aux = task.loss(variables, mixed, task_key, hypers)
        other, _ = task.loss(variables, {**mixed, "y": y[partners]}, task_key, hypers)
        return weight * own + (1 - weight) * other, aux

    return task._replace(loss=loss)


def _permutation_of_real_rows(key: Key, mask: jax.Array) -> jax.Array:
    """A uniformly random permutation of the rows whose mask is 1, the identity on the others: [B] int."""
    real = mask > 0
    in_order = jnp.argsort(~real)
    # The sorts are stable and put the real rows first, so behind them both list the padding in the same order.
    shuffled = jnp.argsort(jnp.where(real, jax.random.uniform(key, real.shape), 1.0))
    return in_order.at[in_order].set(shuffled)


def _check_image(image: jax.Array) -> None:
    if image.ndim != 3:
        raise ValueError(f"image must be one image, [H, W, C], got shape {list(image.shape)}; vmap over a batch")
