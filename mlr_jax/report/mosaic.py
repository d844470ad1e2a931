"""Many images as one picture."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from mlr_jax.report import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAP, SIDE = 1, 0.62
"""Pixels between images, and the side of one in inches."""


def mosaic(images: ArrayLike, row_names: Sequence[str] = ()) -> "Figure":
    """Rows of images [rows, columns, H, W, C] in [0, 1], C of 1 or 3, with a name beside each row where given.

    One picture, which is drawn a hundred times faster than as many axes. What lies outside of [0, 1] is clipped.
    Raises ValueError for another shape or another number of names.
    """
    array = np.asarray(images, np.float32)
    if array.ndim != 5 or array.shape[-1] not in (1, 3) or not array.size:
        raise ValueError(f"mosaic: wanted images [rows, columns, H, W, C] with C of 1 or 3, got shape {array.shape}")
    rows, columns, height, width, channels = array.shape
    if row_names and len(row_names) != rows:
        raise ValueError(f"mosaic: {rows} rows need as many names, got {len(row_names)}")
    sheet = np.ones((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels), np.float32)
    for row, column in np.ndindex(rows, columns):
        top, left = row * (height + GAP), column * (width + GAP)
        sheet[top : top + height, left : left + width] = np.clip(array[row, column], 0.0, 1.0)
    figure, (axes,) = style.canvas(size=(SIDE * columns + 0.3 + bool(row_names), SIDE * rows * height / width + 0.3))
    axes.imshow(sheet[..., 0] if channels == 1 else sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    style.dress(axes, grid=False)
    axes.set_xticks([])
    axes.set_yticks([(height + GAP) * row + height / 2 for row in range(len(row_names))], row_names)
    axes.tick_params(length=0)
    return figure
