"""How far back a recurrent network learns from: the size of a gradient by its lag."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from mlr_jax.report import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def gradient_by_lag(before: Mapping[str, ArrayLike], after: Mapping[str, ArrayLike], length: int) -> "Figure":
    """A curve [T] over lags 0 to T - 1 for each network: dashed `before` it was trained, solid `after`.

    On a log axis a straight fall is a gradient that vanishes exponentially. A dotted line marks the `length` of
    the windows in training: no gradient has ever gone back further.
    """
    figure, [axes] = style.canvas(1, size=(6.4, 4.0))
    for name, colour in zip(after, style.class_colours(len(after)), strict=True):
        for values, dashes, label in ((before[name], "--", f"{name}, before"), (after[name], "-", name)):
            axes.plot(np.asarray(values, float), dashes, color=colour, linewidth=1.6, label=label)
    axes.axvline(length, color="#888888", linewidth=1, linestyle=":")
    axes.set_yscale("log")
    style.dress(axes, "What a loss says about earlier characters", "Lag in characters", "Norm of the gradient")
    style.legend(figure, axes.get_lines()[: 2 * len(after)], "outside lower center")
    return figure
