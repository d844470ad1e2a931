"""What a detector finds: boxes drawn beside the true ones, and precision against recall of each class."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlr_jax.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def boxes_drawn(
    images: np.ndarray, truth: Mapping[str, np.ndarray], found: Any, class_names: Sequence[str], least: float = 0.4
) -> "Figure":
    """For each image two panels: its true boxes, and what was found with a score of at least `least`.

    images uint8 or in [0, 1] [N, H, W, 3]; truth: boxes [N, M, 4], y [N, M], is_box [N, M]; found: boxes [N, D, 4],
    scores [N, D], labels [N, D]. Raises ValueError where the numbers of images differ.
    """
    if not len(images) == len(truth["boxes"]) == len(found.boxes):
        raise ValueError(f"got {len(images)} images, {len(truth['boxes'])} of truth and {len(found.boxes)} found")
    shape = images.shape[1:3]
    size = (3.2, 3.2 * shape[0] / shape[1] + 0.25)
    figure, grid = style.canvas(2 * len(images), columns=4, size=size)
    for row, image in enumerate(images):
        panels = grid[2 * row : 2 * row + 2]
        for axes in panels:
            axes.imshow(image)
            axes.set_axis_off()
        is_true, is_found = truth["is_box"][row] > 0, found.scores[row] >= least
        _draw(panels[0], truth["boxes"][row][is_true], truth["y"][row][is_true], class_names)
        _draw(
            panels[1], found.boxes[row][is_found], found.labels[row][is_found], class_names, found.scores[row][is_found]
        )
        panels[0].set_title(f"true: {int(is_true.sum())}", fontsize=style.SMALL_SIZE, color=style.INK)
        panels[1].set_title(f"found: {int(is_found.sum())}", fontsize=style.SMALL_SIZE, color=style.INK)
    style.class_key(figure, class_names)
    return figure


def precision_recall(precision: np.ndarray, average: np.ndarray, class_names: Sequence[str]) -> "Figure":
    """Precision [K, R] at R evenly spaced recalls from 0 to 1, a line for each class; its average [K] in the key."""
    figure, (axes,) = style.canvas(size=(4.6, 3.9))
    recalls = np.linspace(0, 1, precision.shape[1])
    for index, colour in enumerate(style.class_colours(len(class_names))):
        label = f"{class_names[index]} {average[index]:.3f}"
        axes.plot(recalls, precision[index], color=colour, linewidth=1.6, label=label)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    axes.legend(
        title="average precision", loc="lower left", frameon=False,
        fontsize=style.SMALL_SIZE, title_fontsize=style.SMALL_SIZE,
    )  # fmt: skip
    style.dress(axes, "Precision and recall at IoU 0.5", "Recall", "Precision")
    return figure


def _draw(
    axes: "Axes", boxes: np.ndarray, labels: np.ndarray, class_names: Sequence[str], scores: np.ndarray | None = None
) -> None:
    from matplotlib.patches import Rectangle

    colours = style.class_colours(len(class_names))
    for index, (box, label) in enumerate(zip(boxes, labels, strict=True)):
        x0, y0, x1, y1 = map(float, box)
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, linewidth=1.2, edgecolor=colours[label]))
        if scores is not None:
            axes.text(x0 + 1, y0 + 1, f"{scores[index]:.2f}"[1:], fontsize=5.5, va="top", color=colours[label])
