"""Numbers side by side with what is uncertain about them: methods by their error, features by their importance."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from mlr_jax.report import style
from mlr_jax.report.statistics import t_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def comparison(
    rows: Mapping[str, Mapping[str, ArrayLike]], x_label: str, *, marks: Mapping[str, float] | None = None
) -> "Figure":
    """A line for each row, a dot with its 95 % interval for each series of values [M] over members, which are dots too.

    rows: by row, values by series. marks: by row a published figure, drawn as a vertical stroke.
    """
    series = list(dict.fromkeys(name for values in rows.values() for name in values))
    colours = dict(zip(series, style.class_colours(len(series)), strict=True))
    longest = max(map(len, rows))
    figure, (axes,) = style.canvas(size=(4.6 + 0.075 * longest, 0.9 + 0.26 * len(rows) * (0.6 + 0.4 * len(series))))
    for place, (row, values) in enumerate(rows.items()):
        for number, name in enumerate(name for name in series if name in values):
            height = place + 0.22 * (number - (len(series) - 1) / 2)
            members = np.atleast_1d(np.asarray(values[name], float))
            mean, half_width = t_interval(members)
            axes.plot(members, np.full(len(members), height), "o", color=colours[name], alpha=0.35, markersize=3, mew=0)
            axes.errorbar(
                mean, height, xerr=np.nan_to_num(half_width), fmt="o", color=colours[name], markersize=5, capsize=2.5,
                elinewidth=1.3, label=name if place == 0 else None,
            )  # fmt: skip
        if marks and row in marks:
            axes.plot([marks[row]] * 2, [place - 0.36, place + 0.36], color=style.INK, linewidth=1.6)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    style.dress(axes, "", x_label)
    _key(figure, colours, has_marks=bool(marks))
    return figure


def importances(values: ArrayLike, names: Sequence[str], *, shown: int = 15, x_label: str = "Importance") -> "Figure":
    """The `shown` most important features, by the mean of values [M, D] over members with its 95 % interval.

    Raises ValueError for another number of names.
    """
    array = np.atleast_2d(np.asarray(values, float))
    if array.ndim != 2 or array.shape[1] != len(names):
        raise ValueError(f"importances: got values of shape {array.shape} for {len(names)} names, wanted [M, D] and D")
    mean, half_width = t_interval(array.T)
    order = np.argsort(-mean, kind="stable")[:shown]
    longest = max(len(names[column]) for column in order)
    figure, (axes,) = style.canvas(size=(3.8 + 0.08 * longest, 0.8 + 0.24 * len(order)))
    places = np.arange(len(order))
    axes.barh(places, mean[order], color=style.PALETTE[0], alpha=0.8, height=0.7)
    axes.errorbar(
        mean[order], places, xerr=np.nan_to_num(half_width[order]), fmt="none", ecolor=style.INK, elinewidth=1,
        capsize=2,
    )  # fmt: skip
    axes.set_yticks(places, [names[column] for column in order])
    axes.set_ylim(len(order) - 0.5, -0.5)
    style.dress(axes, "", x_label)
    return figure


def _key(figure: "Figure", colours: Mapping[str, str], *, has_marks: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="", marker="o", markersize=5, color=colour, label=name)
        for name, colour in colours.items()
    ]
    if has_marks:
        handles.append(
            Line2D([], [], linestyle="", marker="|", markersize=10, mew=1.6, color=style.INK, label="published")
        )
    if len(handles) > 1:
        style.legend(figure, handles, "outside lower center")
