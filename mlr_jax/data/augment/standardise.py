"""Channels of mean 0 and variance 1: what a network is given, in training and in evaluation alike."""

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.types import Batch, Hypers, Key, Metrics, Task, Variables
from mlr_jax.ops.pixels import as_floats


def channel_moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel of the images [N, H, W, C]: float32 [C] each.

    A channel that does not vary has the deviation 1. Computed in 64 bits, a part of the images at a time.
    """
    axes, parts = (0, 1, 2), range(0, len(images), 1024)
    count = images[..., 0].size
    mean = sum(images[start : start + 1024].sum(axes, dtype=np.float64) for start in parts) / count
    square = sum(np.square(images[start : start + 1024] - mean).sum(axes) for start in parts) / count
    return np.asarray(mean, np.float32), np.where(square > 0, np.sqrt(square), 1.0).astype(np.float32)


def standardised(images: jax.Array, mean: np.ndarray, std: np.ndarray) -> jax.Array:
    """(x - mean) / std per channel: images [..., C], mean and std [C]; the dtype of the images, float32 for bytes."""
    images = as_floats(images)
    axes = tuple(range(images.ndim - 1))
    centre, scale = (jnp.expand_dims(jnp.asarray(moment), axes) for moment in (mean, 1 / std))
    return ((images - centre) * scale).astype(images.dtype)


def standardise(task: Task, mean: np.ndarray, std: np.ndarray) -> Task:
    """`task` whose loss and evaluation see `batch["x"]` [B, H, W, C] standardised per channel.

    Around `augment`, transforms see standardised images, so that what `random_crop` pads with is the mean colour;
    inside of it, they see images in [0, 1].
    """

    def prepared(batch: Batch) -> Batch:
        return {**batch, "x": standardised(batch["x"], mean, std)}

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        return task.loss(variables, prepared(batch), key, hypers)

    return Task(task.init, loss, lambda variables, batch: task.evaluate(variables, prepared(batch)))
