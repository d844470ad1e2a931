"""What regressors predict beside what was measured: on the diagonal both are equal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from mlr_jax.report import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def agreement(measured: ArrayLike, predicted: Mapping[str, ArrayLike], label: str) -> "Figure":
    """A panel for each regressor by name, a dot for each row of measured [N] and predicted [N], in one scale.

    The root of the mean squared error stands in each title. Raises ValueError for predictions of another length.
    """
    measured = np.asarray(measured, float)
    values = {name: np.asarray(row, float) for name, row in predicted.items()}
    for name, row in values.items():
        if row.shape != measured.shape or measured.ndim != 1:
            raise ValueError(f"agreement: {name!r} has shape {row.shape}, measured {measured.shape}; both must be [N]")
    everything = np.concatenate([measured, *values.values()])
    ends = [everything.min(), everything.max()]
    figure, grid = style.canvas(len(values), columns=3, size=(3.6, 3.6))
    for axes, (name, row), colour in zip(grid, values.items(), style.class_colours(len(values)), strict=True):
        axes.plot(ends, ends, color="#999999", linewidth=0.8)
        axes.plot(measured, row, "o", color=colour, markersize=3.2, alpha=0.55, markeredgewidth=0)
        axes.set_aspect("equal")
        error = np.sqrt(np.mean((row - measured) ** 2))
        style.dress(axes, f"{name}: error {error:.2f}", f"measured {label}", f"predicted {label}")
    return figure
