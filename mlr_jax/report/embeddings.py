"""High-dimensional rows on a page: embeddings in two dimensions, and how much of the variance they keep."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mlr_jax.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Panel(NamedTuple):
    """One embedding: its title, points [N, 2], and classes [N]."""

    title: str
    points: np.ndarray
    labels: np.ndarray


def embeddings(
    panels: Sequence[Panel], class_names: Sequence[str], *, columns: int = 2, axes_shown: bool = False
) -> "Figure":
    """A panel for each embedding: points in the colour of their class, and its name at the middle of its points.

    Axes have no meaning in most embeddings, so they are left out unless asked for. Raises ValueError for other shapes.
    """
    figure, grid = style.canvas(len(panels), columns=columns, size=(4.6, 4.3))
    for axes, panel in zip(grid, panels, strict=True):
        if panel.points.shape != (len(panel.labels), 2):
            raise ValueError(
                f"embeddings: {panel.title!r} has points of shape {panel.points.shape} and {len(panel.labels)} labels, "
                "wanted [N, 2] and N"
            )
        _draw(axes, panel, class_names)
        style.dress(axes, panel.title, grid=axes_shown)
        if not axes_shown:
            axes.set_xticks([])
            axes.set_yticks([])
    return figure


def scree(shares: ArrayLike, *, shown: int = 40, marks: Sequence[float] = (0.9, 0.95)) -> "Figure":
    """The share of the variance [D] that each component explains, and what the first of them explain together.

    Dotted lines tell how many components reach each of the `marks`. Raises ValueError for shares of another shape.
    """
    values = np.asarray(shares, dtype=np.float64)
    if values.ndim != 1 or not values.size:
        raise ValueError(f"scree: wanted shares [D], got shape {values.shape}")
    total = np.cumsum(values)
    figure, (left, right) = style.canvas(2)
    count = min(shown, len(values))
    left.bar(np.arange(1, count + 1), values[:count], color=style.PALETTE[0], width=0.8)
    style.dress(left, "Each component", "Component", "Share of the variance")
    right.plot(np.arange(1, len(values) + 1), total, color=style.PALETTE[0], linewidth=1.8)
    for mark in marks:
        if total[-1] >= mark:
            needed = int(np.argmax(total >= mark)) + 1
            right.plot([0, needed, needed], [mark, mark, 0], color="#888888", linewidth=1, linestyle=":")
            right.annotate(
                f"{mark:.0%} by {needed}", (needed, mark), (5, -11), textcoords="offset points",
                fontsize=style.SMALL_SIZE, color=style.INK,
            )  # fmt: skip
    right.set(xlim=(0, len(values) + 1), ylim=(0, 1.02))
    style.dress(right, "The first components together", "Components", "Share of the variance")
    return figure


def _draw(axes: "Axes", panel: Panel, class_names: Sequence[str]) -> None:
    from matplotlib.patheffects import withStroke

    for k, colour in enumerate(style.class_colours(len(class_names))):
        own = panel.points[panel.labels == k]
        if not len(own):
            continue
        marker = style.MARKERS[k % len(style.MARKERS)]
        axes.scatter(own[:, 0], own[:, 1], s=9, marker=marker, color=colour, alpha=0.75, linewidths=0)
        x, y = np.median(own, axis=0)
        axes.text(
            x, y, class_names[k], fontsize=style.TITLE_SIZE, fontweight="bold", color=style.INK,
            ha="center", va="center", path_effects=[withStroke(linewidth=3, foreground="white")],
        )  # fmt: skip
