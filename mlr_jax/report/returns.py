"""Learning curves of agents: what an episode earns, over the steps taken in the environment."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from mlr_jax.report import formatting, style
from mlr_jax.report.aggregate import interquartile_interval
from mlr_jax.report.statistics import settings, t_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def return_curves(
    steps: ArrayLike,
    returns: ArrayLike,
    members: Sequence[Mapping[str, Any]] | None = None,
    goal: float | None = None,
    label: str = "Return of an episode",
) -> "Figure":
    """Two panels over `steps` [T]: the mean over seeds with its 95 % t interval, and the interquartile mean with its
    95 % bootstrap interval.

    returns [T, M]: the mean over episodes of each of M members; `members` (seed and swept values of each) splits them
    by setting, a colour each. A dotted line marks the `goal`. Raises ValueError for sizes that do not agree.
    """
    from matplotlib.ticker import EngFormatter, MaxNLocator

    places, values = np.asarray(steps, float), np.asarray(returns, float)
    members = list(members or [{"seed": index} for index in range(values.shape[-1])])
    if values.ndim != 2 or values.shape != (len(places), len(members)):
        raise ValueError(
            f"return_curves: {len(places)} steps and {len(members)} members need returns "
            f"{(len(places), len(members))}, got {values.shape}"
        )
    found = settings(members)
    colours = style.class_colours(len(found))
    figure, grid = style.canvas(2)
    for (hypers, rows), colour in zip(found, colours, strict=True):
        chosen = values[:, rows]
        name = ", ".join(f"{field} {formatting.number(value)}" for field, value in hypers.items())
        mean, half_width = t_interval(chosen)
        robust = np.array([interquartile_interval(row) for row in chosen], dtype=float).T
        bands: Any = ((mean, mean - half_width, mean + half_width), robust)
        marker = "o" if len(places) == 1 else None
        for axes, (middle, low, high) in zip(grid, bands, strict=True):
            axes.plot(places, middle, color=colour, linewidth=1.8, label=name, marker=marker)
            axes.fill_between(places, low, high, color=colour, alpha=0.18, linewidth=0)
    for axes, title in zip(grid, ("Mean, 95 % t interval", "Interquartile mean, 95 % bootstrap interval"), strict=True):
        if goal is not None:
            axes.axhline(goal, color="#888888", linewidth=1, linestyle=":")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))  # 500k
        style.dress(axes, title, "Environment steps", label)
    if len(found) > 1:
        style.legend(figure, grid[0].get_lines()[: len(found)], "outside lower center")
    return figure
