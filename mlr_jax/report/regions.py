"""What a classifier of two features says about the whole plane."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mlr_jax.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALENESS = 0.72
"""How far a class's colour is mixed with white where the classifier is sure of it."""

MOST_POINTS = 600
"""Of more points in a panel, evenly chosen ones are drawn."""


class Plane(NamedTuple):
    """A grid over the plane: xs [W], ys [H], and its rows [H * W, 2], x first, for a classifier to score."""

    xs: np.ndarray
    ys: np.ndarray
    rows: np.ndarray


class Panel(NamedTuple):
    """One classifier.

    title:  what it is
    shares: [H, W, K], what it gives each class at each place of the plane: probabilities, or 0 and 1
    points: [N, 2]
    labels: [N], classes of the points
    marked: [N], whether to ring a point, such as a support vector
    """

    title: str
    shares: np.ndarray
    points: np.ndarray
    labels: np.ndarray
    marked: np.ndarray | None = None


def plane(points: np.ndarray, resolution: int = 160, margin: float = 0.07) -> Plane:
    """A grid of `resolution` squared places around points [N, 2], wider than they lie by a part `margin` on each side.

    Raises ValueError for points of another shape.
    """
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"plane: wanted points [N, 2], got shape {points.shape}")
    low, high = points.min(0), points.max(0)
    room = margin * np.where(high > low, high - low, 1)
    xs, ys = np.linspace(low - room, high + room, resolution).T.astype(points.dtype)
    rows = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    return Plane(xs, ys, rows)


def one_hot(classes: np.ndarray, num_classes: int) -> np.ndarray:
    """Shares of a classifier that only decides: classes [H, W] -> [H, W, K] of 0 and 1."""
    return np.eye(num_classes)[np.asarray(classes)]


def decision_regions(
    panels: Sequence[Panel],
    plane: Plane,
    class_names: Sequence[str],
    axis_names: tuple[str, str] = ("", ""),
    *,
    columns: int = 3,
) -> "Figure":
    """A panel for each classifier: the plane in the colours of its classes, paler where it is unsure, and the points.

    Lines are where the most probable class changes. Raises ValueError for shares that do not fit the plane.
    """
    wanted = (len(plane.ys), len(plane.xs), len(class_names))
    for panel in panels:
        if panel.shares.shape != wanted:
            raise ValueError(
                f"decision_regions: {panel.title!r} has shares of shape {panel.shares.shape}, wanted {wanted}"
            )
    figure, grid = style.canvas(len(panels), columns=columns, size=(3.5, 3.1))
    for axes, panel in zip(grid, panels, strict=True):
        _background(axes, panel.shares, plane)
        scatter_classes(axes, panel.points, panel.labels, len(class_names), size=14, edge="white")
        if panel.marked is not None:
            ringed = panel.points[np.asarray(panel.marked, bool)]
            axes.scatter(ringed[:, 0], ringed[:, 1], s=46, facecolors="none", edgecolors=style.INK, linewidths=0.7)
        axes.set(xlim=(plane.xs[0], plane.xs[-1]), ylim=(plane.ys[0], plane.ys[-1]))
        style.dress(axes, panel.title, *axis_names, grid=False)
    style.class_key(figure, class_names)
    return figure


def scatter_classes(
    axes: "Axes", points: np.ndarray, labels: np.ndarray, num_classes: int, *, size: float, edge: str = "none"
) -> None:
    """Points [N, 2], each with the colour and the marker of its class; those of no class in [0, K) are grey."""
    chosen = np.unique(np.linspace(0, len(points) - 1, min(len(points), MOST_POINTS)).astype(int))
    points, labels = np.asarray(points)[chosen], np.asarray(labels)[chosen]
    for k, colour in enumerate(style.class_colours(num_classes)):
        own, marker = points[labels == k], style.MARKERS[k % len(style.MARKERS)]
        axes.scatter(own[:, 0], own[:, 1], s=size, marker=marker, color=colour, edgecolors=edge, linewidths=0.4)
    none = points[(labels < 0) | (labels >= num_classes)]
    axes.scatter(none[:, 0], none[:, 1], s=size, color="#999999", linewidths=0)


def _background(axes: "Axes", shares: np.ndarray, plane: Plane) -> None:
    from matplotlib.colors import to_rgb

    colours = np.array([to_rgb(colour) for colour in style.class_colours(shares.shape[-1])])
    pale = PALENESS + (1 - PALENESS) * colours
    sureness = np.clip(shares, 0, 1)
    picture = sureness @ pale + (1 - sureness.sum(-1, keepdims=True))
    extent = (plane.xs[0], plane.xs[-1], plane.ys[0], plane.ys[-1])
    axes.imshow(np.clip(picture, 0, 1), origin="lower", extent=extent, aspect="auto", interpolation="bilinear")
    for k in range(shares.shape[-1] if shares.shape[-1] > 2 else 1):
        lead = shares[..., k] - np.delete(shares, k, axis=-1).max(-1, initial=0)
        if lead.min() < 0 < lead.max():
            axes.contour(plane.xs, plane.ys, lead, levels=[0], colors=style.INK, linewidths=0.8)
