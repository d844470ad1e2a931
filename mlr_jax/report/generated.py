"""What a generator makes, beside what it should make."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from mlr_jax.report import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def planar_samples(samples: Mapping[str, ArrayLike], means: ArrayLike, radius: float, *, columns: int = 4) -> "Figure":
    """A panel for each set of samples [N, 2], by its title, with a circle of `radius` around each of the means [K, 2].

    Samples within no circle are drawn in another colour. Raises ValueError for samples of another shape and for none.
    """
    centres = np.asarray(means, np.float64)
    if not samples:
        raise ValueError("planar_samples: got no samples, at least one set is needed")
    figure, grid = style.canvas(len(samples), columns=columns, size=(2.6, 2.7))
    reach = 1.3 * np.abs(centres).max() + radius
    for axes, (title, values) in zip(grid, samples.items(), strict=True):
        points = np.asarray(values, np.float64)
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"planar_samples: {title!r} has samples of shape {points.shape}, wanted [N, 2]")
        distances = np.linalg.norm(points[:, None] - centres[None], axis=-1).min(1)
        is_good = distances <= radius
        axes.scatter(centres[:, 0], centres[:, 1], s=30, facecolors="none", edgecolors=style.INK, linewidths=0.5)
        for chosen, colour in ((is_good, style.PALETTE[0]), (~is_good, style.PALETTE[1])):
            axes.scatter(points[chosen, 0], points[chosen, 1], s=1.5, color=colour, linewidths=0)
        axes.set_xlim(-reach, reach)
        axes.set_ylim(-reach, reach)
        axes.set_aspect("equal")
        axes.set_xticks([])
        axes.set_yticks([])
        style.dress(axes, title, grid=False)
    return figure
