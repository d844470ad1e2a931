"""Points in the plane with the clusters that were found among them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mlr_jax.report import style
from mlr_jax.report.regions import scatter_classes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Panel(NamedTuple):
    """One clustering.

    title:       what made it
    points:      [N, 2]
    labels:      [N], cluster of each point
    centres:     [K, 2]
    covariances: [K, 2, 2], drawn as ellipses of one and two standard deviations
    """

    title: str
    points: np.ndarray
    labels: np.ndarray
    centres: np.ndarray
    covariances: np.ndarray | None = None


def clusters(panels: Sequence[Panel], axis_names: tuple[str, str] = ("", ""), *, columns: int = 3) -> "Figure":
    """A panel for each clustering: points in the colour and marker of their cluster, a cross for each centre.

    Raises ValueError for arrays that do not fit each other.
    """
    for panel in panels:
        _check(panel)
    figure, grid = style.canvas(len(panels), columns=columns, size=(3.6, 3.2))
    for axes, panel in zip(grid, panels, strict=True):
        scatter_classes(axes, panel.points, panel.labels, len(panel.centres), size=11)
        colours = style.class_colours(len(panel.centres))
        for k, covariance in enumerate([] if panel.covariances is None else panel.covariances):
            _ellipses(axes, panel.centres[k], covariance, colours[k])
        x, y = panel.centres.T
        axes.scatter(x, y, s=90, marker="X", color=colours, edgecolors="white", linewidths=1.4, zorder=4)
        style.dress(axes, panel.title, *axis_names)
    return figure


def ellipse(covariance: np.ndarray, deviations: float) -> tuple[float, float, float]:
    """Width, height and angle in degrees of the ellipse {z : z' C^-1 z = deviations^2} of a covariance C [2, 2]."""
    values, vectors = np.linalg.eigh(covariance)
    width, height = 2 * deviations * np.sqrt(np.maximum(values[::-1], 0))
    angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
    return float(width), float(height), float(angle)


def _ellipses(axes: "Axes", centre: np.ndarray, covariance: np.ndarray, colour: str) -> None:
    from matplotlib.patches import Ellipse

    for deviations, alpha in ((1, 0.16), (2, 0.08)):
        width, height, angle = ellipse(covariance, deviations)
        middle = (float(centre[0]), float(centre[1]))
        axes.add_patch(Ellipse(middle, width, height, angle=angle, color=colour, alpha=alpha, linewidth=0))
        axes.add_patch(Ellipse(middle, width, height, angle=angle, edgecolor=colour, fill=False, linewidth=1))


def _check(panel: Panel) -> None:
    count = len(panel.centres)
    fits = panel.points.ndim == 2 and panel.points.shape[1] == panel.centres.shape[1] == 2
    fits = fits and panel.labels.shape == panel.points.shape[:1]
    fits = fits and (panel.covariances is None or panel.covariances.shape == (count, 2, 2))
    if not fits:
        shapes = [None if array is None else array.shape for array in panel[1:]]
        raise ValueError(
            f"clusters: {panel.title!r} wanted points [N, 2], labels [N], centres [K, 2] and covariances [K, 2, 2], "
            f"got {shapes}"
        )
