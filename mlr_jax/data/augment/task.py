"""Transforms of single images in front of a task."""

from collections.abc import Callable
from typing import Any

import jax

from mlr_jax.core.types import Batch, Hypers, Key, Metrics, Task, Variables

Transform = Callable[[Key, jax.Array], jax.Array]
"""key, image [H, W, C] -> image of the same dtype, of one shape for all keys."""


def augment(task: Task, *transforms: Transform) -> Task:
    """`task` whose loss sees `batch["x"]` [B, H, W, C] through the `transforms`, in order; its evaluation is unchanged.

    Each row and each transform has its own key, derived from the key of the loss, so the step stays a pure function.

    Raises ValueError if no transform is given.
    """
    transform_image = in_order(*transforms)

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        images = batch["x"]
        image_keys = jax.random.split(jax.random.fold_in(key, 0), len(images))
        augmented = {**batch, "x": jax.vmap(transform_image)(image_keys, images)}
        return task.loss(variables, augmented, jax.random.fold_in(key, 1), hypers)

    return task._replace(loss=loss)


def in_order(*transforms: Callable[[Key, Any], Any]) -> Callable[[Key, Any], Any]:
    """One transform that makes all of them, each with a key of its own. Raises ValueError if there is none."""
    if not transforms:
        raise ValueError("transforms must be at least one function of (key, image), got none")

    def transform(key: Key, image: Any) -> Any:
        for index, change in enumerate(transforms):
            image = change(jax.random.fold_in(key, index), image)
        return image

    return transform


def check_image(image: jax.Array) -> None:
    """Raise ValueError unless `image` is [H, W, C]."""
    if image.ndim != 3:
        raise ValueError(f"image must be one image, [H, W, C], got shape {list(image.shape)}; vmap over a batch")
