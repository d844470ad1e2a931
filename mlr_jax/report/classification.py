"""Where a classifier goes wrong: the confusion matrix, and the mistakes it was surest of."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from mlr_jax.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COUNTED_CLASSES = 20
NAMED_CLASSES = 40
"""With more classes than this, neither counts in the cells nor a name on every row can be read."""


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, class_names: Sequence[str]) -> "Figure":
    """Counts of (true, predicted) pairs, coloured by their share of the true class.

    `labels` and `predictions` are class numbers of shape [N]. Raises ValueError for other shapes and for a number
    outside the K `class_names`.
    """
    counts = _count(np.asarray(labels), np.asarray(predictions), len(class_names))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(0.42 * len(class_names) + 1.6, 3.6, 9.0))
    figure, (axes,) = style.canvas(size=(side + 0.7, side))
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    _name_classes(axes, class_names)
    if len(class_names) <= COUNTED_CLASSES:
        _write_counts(axes, counts, shares)
    style.dress(axes, "", "Predicted", "True", grid=False)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.outline.set_visible(False)  # type: ignore[operator]
    style.dress(bar.ax, y_label="Share of the true class", grid=False)
    return figure


def worst_mistakes(
    images: ArrayLike, labels: ArrayLike, probabilities: ArrayLike, class_names: Sequence[str], count: int = 24
) -> "Figure":
    """The wrongly classified images of highest loss, `-log p(true class)`, worst first.

    images [N, H, W, C], labels [N], probabilities [N, K]. Each title names the true class, the predicted one and the
    probability of the latter. Raises ValueError when the sizes do not agree.
    """
    pictures, truth, chances = np.asarray(images), np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if len(pictures) != len(truth) or chances.shape != (len(truth), len(class_names)):
        raise ValueError(
            f"worst_mistakes: {len(pictures)} images, {len(truth)} labels and {len(class_names)} class names "
            f"need probabilities of shape {(len(truth), len(class_names))}, got {chances.shape}"
        )
    guesses = chances.argmax(axis=1)
    on_truth = chances[np.arange(len(truth)), truth]
    wrong = np.flatnonzero(guesses != truth)
    worst = wrong[np.argsort(np.nan_to_num(on_truth[wrong]), kind="stable")][:count]
    if not len(worst):
        return _message("No mistakes")
    titles = [f"{class_names[truth[i]]}\n→ {class_names[guesses[i]]} {chances[i, guesses[i]]:.3f}" for i in worst]
    return image_grid(pictures[worst], titles)


def image_grid(images: ArrayLike, titles: Sequence[str] | None = None, columns: int = 8) -> "Figure":
    """Images [N, H, W] or [N, H, W, C] with 1, 3 or 4 channels, row by row, each under its title.

    Integers are taken as 0 to 255 and floats as 0 to 1; where values lie outside, all images are scaled together by
    their common extremes. Raises ValueError for another shape or another number of titles.
    """
    pictures = _displayable(np.asarray(images))
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"image_grid: {len(pictures)} images need as many titles, got {len(titles)}")
    lines = max((title.count("\n") + 1 for title in titles or [] if title), default=0)
    height, width = pictures.shape[1:3]
    size = (1.15, 1.1 * float(np.clip(height / width, 0.4, 2.5)) + 0.17 * lines)
    figure, grid = style.canvas(len(pictures), columns=columns, size=size)
    for axes, picture, title in zip(grid, pictures, titles or [""] * len(pictures), strict=True):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(title, fontsize=style.SMALL_SIZE, color=style.INK)
        axes.set_axis_off()
    return figure


def _count(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    if labels.ndim != 1 or labels.shape != predictions.shape:
        raise ValueError(
            f"confusion_matrix: wanted labels and predictions of one shape [N], got {labels.shape} and "
            f"{predictions.shape}"
        )
    for name, array in (("labels", labels), ("predictions", predictions)):
        if array.size and (array.min() < 0 or array.max() >= classes):
            raise ValueError(
                f"confusion_matrix: {name} run from {array.min()} to {array.max()}; with {classes} class names they "
                f"must lie in 0 to {classes - 1}"
            )
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels, predictions), 1)
    return counts


def _name_classes(axes: "Axes", class_names: Sequence[str]) -> None:
    every = -(-len(class_names) // NAMED_CLASSES)
    places, names = range(0, len(class_names), every), class_names[::every]
    long = max((len(name) for name in names), default=0) > 3
    axes.set_xticks(places, names, rotation=45 if long else 0, ha="right" if long else "center")
    axes.set_yticks(places, names)


def _write_counts(axes: "Axes", counts: np.ndarray, shares: np.ndarray) -> None:
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.5 else style.INK
            axes.text(column, row, str(count), ha="center", va="center", fontsize=style.SMALL_SIZE, color=colour)


def _displayable(images: np.ndarray) -> np.ndarray:
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3, 4) or not len(images):
        raise ValueError(f"image_grid: wanted images [N, H, W, C] with C of 1, 3 or 4 and N >= 1, got {images.shape}")
    scale = 255.0 if images.dtype.kind in "iu" else 1.0
    values = np.nan_to_num(images.astype(np.float64) / scale)
    low, high = values.min(), values.max()
    if low < 0 or high > 1:
        values = (values - low) / (high - low if high > low else 1.0)
    return values[..., 0] if values.shape[-1] == 1 else values


def _message(text: str) -> "Figure":
    figure, (axes,) = style.canvas(size=(3.0, 1.0))
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=style.TITLE_SIZE, color=style.INK)
    return figure
