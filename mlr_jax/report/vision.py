"""What a network for images has learned, as pictures: filters, feature maps, class-activation maps."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from mlr_jax.report import style
from mlr_jax.report.classification import image_grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_FILTERS = 64


def filters(kernel: ArrayLike) -> "Figure":
    """The first filters of a convolution of images, kernel [K, L, C, O] with C = 1 or 3, each stretched to its range.

    Raises ValueError for another shape.
    """
    array = np.asarray(kernel, np.float64)
    if array.ndim != 4 or array.shape[2] not in (1, 3):
        raise ValueError(f"filters: wanted a kernel [K, L, C, O] of 1 or 3 channels, got shape {array.shape}")
    pictures = np.moveaxis(array, -1, 0)[:MOST_FILTERS]
    return image_grid(np.stack([_stretched(picture) for picture in pictures]), columns=min(16, len(pictures)))


def feature_maps(image: ArrayLike, maps: Mapping[str, ArrayLike], shown: int = 8) -> "Figure":
    """An image [H, W, C], below it a row for each layer: the `shown` channels of its maps [h, w, C'] that vary most.

    Each map is stretched to its range.
    """
    figure, grid = style.canvas(shown * (1 + len(maps)), columns=shown, size=(0.95, 1.05))
    for axes in grid:
        axes.set_axis_off()
    picture = np.asarray(image)
    grid[0].imshow(picture[..., 0] if picture.shape[-1] == 1 else picture, cmap="gray", vmin=0, vmax=1)
    for row, (name, values) in enumerate(maps.items(), start=1):
        array = np.asarray(values, np.float64)
        strongest = np.argsort(-array.std(axis=(0, 1)), kind="stable")[:shown]
        for axes, channel in zip(grid[row * shown :], strongest, strict=False):
            axes.imshow(_stretched(array[..., channel]), cmap=style.sequential(), interpolation="nearest")
        title = grid[row * shown].set_title(name, fontsize=style.SMALL_SIZE, color=style.INK, loc="left")
        title.set_in_layout(False)  # it is wider than its column
    return figure


def class_activation(images: ArrayLike, maps: ArrayLike, titles: Sequence[str], columns: int = 8) -> "Figure":
    """Pairs of an image [N, H, W, C] and the same under its class-activation map [N, h, w], with a title each.

    A map is stretched to the size of the image and to its own maximum. Raises ValueError for other sizes.
    """
    pictures, heats = np.asarray(images), np.asarray(maps, np.float64)
    if len({len(pictures), len(heats), len(titles)}) > 1:
        raise ValueError(f"class_activation: got {len(pictures)} images, {len(heats)} maps and {len(titles)} titles")
    figure, grid = style.canvas(2 * len(pictures), columns=columns, size=(1.15, 1.35))
    extent = (-0.5, pictures.shape[2] - 0.5, pictures.shape[1] - 0.5, -0.5)
    for index, (picture, heat) in enumerate(zip(pictures, heats, strict=True)):
        plain, covered = grid[2 * index : 2 * index + 2]
        for axes in (plain, covered):
            axes.imshow(picture[..., 0] if picture.shape[-1] == 1 else picture, cmap="gray", vmin=0, vmax=1)
            axes.set_axis_off()
        covered.imshow(
            heat / max(heat.max(), 1e-12), cmap="inferno", alpha=0.6, vmin=0, vmax=1, extent=extent,
            interpolation="bilinear",
        )  # fmt: skip
        plain.set_title(titles[index], fontsize=style.SMALL_SIZE, color=style.INK, loc="left")
    return figure


def _stretched(values: np.ndarray) -> np.ndarray:
    """Values moved to the range 0 to 1; zeros where they are all equal."""
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)
