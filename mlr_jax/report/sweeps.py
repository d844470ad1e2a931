"""The final metric against the hyper-parameters that were swept."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlr_jax.report import formatting, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

Groups = Sequence[Mapping[str, Any]]
"""One entry per setting: `{"hypers": {...}, "metrics": {name: {"mean", "ci95", "members"}}}`."""


def swept_fields(groups: Groups) -> list[str]:
    """The hyper-parameters that take more than one value."""
    names = dict.fromkeys(name for group in groups for name in group["hypers"])
    return [name for name in names if len({repr(group["hypers"].get(name)) for group in groups}) > 1]


def sweep_plot(groups: Groups, metric: str) -> "Figure":
    """The final `metric` over the swept hyper-parameters: mean over seeds with its 95 % interval, members as dots.

    One field gives one plot, on a log axis when its values are spaced by ratio. Two fields that form a grid give a
    heat map of the means. Otherwise, as for a random search, each field has its own panel. Raises ValueError if
    nothing was swept or a group lacks the metric.
    """
    fields = swept_fields(groups)
    if not fields:
        raise ValueError(f"sweep_plot: no hyper-parameter takes two values in {len(groups)} group(s)")
    for group in groups:
        if metric not in group["metrics"]:
            known = ", ".join(group["metrics"]) or "absent"
            raise ValueError(f"sweep_plot: {metric!r} is not in the group {group['hypers']}; metrics are {known}")
    if len(fields) == 2 and _fills_a_grid(groups, fields):
        return _heatmap(groups, metric, fields)
    figure, grid = style.canvas(len(fields))
    for axes, field in zip(grid, fields, strict=True):
        _against(axes, groups, metric, field, joined=len(fields) == 1)
        style.dress(axes, formatting.words(metric), field)
    return figure


def _against(axes: "Axes", groups: Groups, metric: str, field: str, *, joined: bool) -> None:
    values = [group["hypers"].get(field) for group in groups]
    places = _places(axes, values)
    order = np.argsort(places, kind="stable")
    entries = [groups[i]["metrics"][metric] for i in order]
    for place, entry in zip(places[order], entries, strict=True):
        members = _numbers(entry["members"])
        if len(members) > 1:
            axes.plot(np.full(len(members), place), members, "o", color="#888888", markersize=3.5, mew=0, zorder=3)
    axes.errorbar(
        places[order],
        _numbers([entry["mean"] for entry in entries]),
        _numbers([entry["ci95"] for entry in entries]),
        fmt="o-" if joined else "o", color=style.PALETTE[0], markersize=5, linewidth=1.4, elinewidth=1.2, capsize=3,
    )  # fmt: skip


def _places(axes: "Axes", values: Sequence[Any]) -> np.ndarray:
    """Where the values lie on the x axis: themselves if they are numbers, else one place per distinct value."""
    if style.is_numeric(values):
        if style.is_geometric(values):
            axes.set_xscale("log")
        return np.asarray(values, dtype=np.float64)
    distinct = _distinct(values)
    axes.set_xticks(range(len(distinct)), [formatting.number(value) for value in distinct])
    return np.asarray([distinct.index(value) for value in values], dtype=np.float64)


def _distinct(values: Sequence[Any]) -> list[Any]:
    distinct = list(dict.fromkeys(values))
    return sorted(distinct) if style.is_numeric(distinct) else distinct


def _fills_a_grid(groups: Groups, fields: Sequence[str]) -> bool:
    sizes = [len({group["hypers"].get(field) for group in groups}) for field in fields]
    return 2 * len(groups) >= sizes[0] * sizes[1]


def _heatmap(groups: Groups, metric: str, fields: Sequence[str]) -> "Figure":
    from matplotlib.colors import Normalize

    rows, columns = (_distinct([group["hypers"].get(field) for group in groups]) for field in fields)
    means = np.full((len(rows), len(columns)), np.nan)
    for group in groups:
        row, column = (group["hypers"].get(field) for field in fields)
        means[rows.index(row), columns.index(column)] = _numbers([group["metrics"][metric]["mean"]])[0]
    figure, (axes,) = style.canvas(size=(1.8 + 0.75 * max(len(columns), 3), 1.4 + 0.5 * max(len(rows), 3)))
    norm = Normalize(np.nanmin(means), np.nanmax(means)) if np.isfinite(means).any() else Normalize(0, 1)
    axes.imshow(means, norm=norm, cmap=style.sequential(), aspect="auto", origin="lower")
    axes.set_xticks(range(len(columns)), [formatting.number(value) for value in columns])
    axes.set_yticks(range(len(rows)), [formatting.number(value) for value in rows])
    _write_cells(axes, means, norm)
    style.dress(axes, formatting.words(metric), fields[1], fields[0], grid=False)
    style.colour_bar(figure, axes, norm, "")
    return figure


def _write_cells(axes: "Axes", means: np.ndarray, norm: "Normalize") -> None:
    for (row, column), mean in np.ndenumerate(means):
        if np.isfinite(mean):
            colour = "white" if norm(mean) < 0.7 else style.INK
            axes.text(column, row, f"{mean:.3g}", ha="center", va="center", fontsize=style.SMALL_SIZE, color=colour)


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)  # None becomes nan
