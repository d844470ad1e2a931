"""Where a model looked in what it read, for each thing that it wrote."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mlr_jax.report import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Alignment(NamedTuple):
    """S characters or tokens that were read, T that were written, and the weights of these, [T, S]."""

    read: Sequence[str]
    written: Sequence[str]
    weights: np.ndarray


def draw_alignments(alignments: Sequence[Alignment], columns: int = 2) -> "Figure":
    """A map for each: what was read from left to right, what was written from top to bottom, the darker the more."""
    from matplotlib.figure import Figure

    lines = -(-len(alignments) // columns)
    figure = Figure(figsize=(5.2 * columns, 2.4 * lines), facecolor="white", layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).reshape(-1)
    for axis, alignment in zip(axes, alignments, strict=False):
        axis.imshow(alignment.weights, cmap="Greys", vmin=0.0, vmax=1.0, aspect="auto")
        for ticks, labels in ((axis.set_xticks, alignment.read), (axis.set_yticks, alignment.written)):
            ticks(range(len(labels)), list(labels), fontsize=style.SMALL_SIZE, family="monospace", color=style.INK)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    for axis in axes[len(alignments) :]:
        axis.set_axis_off()
    return figure
