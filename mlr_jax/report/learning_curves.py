"""Metrics over training: one panel per metric, a mean line per setting, a band for what the seeds leave open."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlr_jax.report import formatting, style
from mlr_jax.report.records import Record, metric_names, series
from mlr_jax.report.statistics import settings, t_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPLITS = ("train", "val", "test", "")
"""The prefixes that a metric's name can have, the last being none, in the order of their colours."""

DASHES: Mapping[str, Any] = {"train": (0.0, (4.0, 2.0)), "test": (0.0, (1.0, 1.2))}

FEW_SETTINGS = len(style.PALETTE)
"""With more settings than this, colours come from a sequence, and bands are left out: they would hide the lines."""

LEGEND_LIMIT = 12
FEW_LINES = 10
LOG_RATIO = 100.0
"""A metric that stays positive and moves by more than this factor is drawn on a log axis."""


class _Setting(NamedTuple):
    hypers: Mapping[str, Any]
    members: list[int]
    colour: Any


class _Line(NamedTuple):
    split: str
    steps: np.ndarray
    values: np.ndarray  # [T, members of one setting]
    mean: np.ndarray
    half_width: np.ndarray
    pen: dict[str, Any]


def curves(
    records: Sequence[Record],
    names: Sequence[str] | None = None,
    members: Sequence[Mapping[str, Any]] | None = None,
) -> "Figure":
    """Learning curves of the metrics `names` (default: all), mean over seeds with its 95 % t interval as a band.

    `train_x`, `val_x` and `test_x` share the panel of `x`. `members` (seed and swept values of each) splits the members
    by setting: a colour each, with a colour bar where there are many. Raises ValueError for a metric that the records
    do not hold, or that has another number of members.
    """
    names = list(names or metric_names(records))
    if not names:
        raise ValueError("curves: the records hold no metric")
    data = {name: series(records, name) for name in names}
    shown = _coloured(members or [{"seed": i} for i in range(data[names[0]][1].shape[1])])
    panels = by_metric(names)
    figure, grid = style.canvas(len(panels))
    drawn = []
    for axes, (metric, splits) in zip(grid, panels.items(), strict=True):
        lines = [line for split in splits for line in _lines(split, splits, data, shown)]
        _panel(axes, lines, bands=len(shown) <= FEW_SETTINGS)
        only = f" ({next(iter(splits))})" if len(splits) == 1 and "" not in splits else ""
        style.dress(axes, formatting.words(metric) + only, "Step")
        drawn += lines
    _split_key(figure, drawn, len(shown))
    _setting_key(figure, grid, shown)
    return figure


def by_metric(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Names by panel: `["train_loss", "val_loss"]` -> `{"loss": {"train": "train_loss", "val": "val_loss"}}`."""
    panels: dict[str, dict[str, str]] = {}
    for name in names:
        prefix, _, rest = name.partition("_")
        metric, split = (rest, prefix) if prefix in SPLITS and rest else (name, "")
        panels.setdefault(metric, {})[split] = name
    return panels


def _coloured(members: Sequence[Mapping[str, Any]]) -> list[_Setting]:
    """The settings in the order of their number if a single number was swept, else in that of their appearance."""
    found = settings(members)
    places, _ = _places([hypers for hypers, _ in found])
    order = np.argsort(places, kind="stable")
    if len(found) <= FEW_SETTINGS:
        colours: Any = style.PALETTE
    else:
        colours = style.sequential()(_norm(places)(places[order]))
    return [_Setting(found[i][0], found[i][1], colour) for i, colour in zip(order, colours, strict=False)]


def _places(hypers: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, str]:
    """Where each setting lies on the colour bar, and its label: at its value if a single number was swept."""
    values = [next(iter(setting.values())) for setting in hypers if len(setting) == 1]
    if len(values) == len(hypers) and style.is_numeric(values):
        return np.asarray(values, dtype=np.float64), next(iter(hypers[0]))
    return np.arange(1.0, len(hypers) + 1), ""


def _norm(places: np.ndarray) -> Any:
    from matplotlib.colors import LogNorm, Normalize

    return (LogNorm if style.is_geometric(places) else Normalize)(places.min(), places.max())


def _lines(
    split: str, splits: Mapping[str, str], data: Mapping[str, tuple[np.ndarray, np.ndarray]], shown: list[_Setting]
) -> list[_Line]:
    steps, values = data[splits[split]]
    wanted = sum(len(setting.members) for setting in shown)
    if values.shape[1] != wanted:
        raise ValueError(f"{splits[split]!r} has {values.shape[1]} values a record for {wanted} members")
    lines = []
    for setting in shown:
        chosen = values[:, setting.members]
        pen = _pen(split, setting.colour, settings_shown=len(shown), splits_shown=len(splits))
        lines.append(_Line(split, steps, chosen, *t_interval(chosen), pen))
    return lines


def _pen(split: str, colour: Any, *, settings_shown: int, splits_shown: int) -> dict[str, Any]:
    """Colour tells settings apart and dashes tell splits apart; with one setting, colour is free for the splits."""
    if settings_shown == 1:
        return {"color": style.PALETTE[SPLITS.index(split) % 3], "linestyle": "-"}
    return {"color": colour, "linestyle": DASHES.get(split, "-") if splits_shown > 1 else "-"}


def _panel(axes: "Axes", lines: list[_Line], *, bands: bool) -> None:
    if _wants_log(np.concatenate([line.mean for line in lines])):
        axes.set_yscale("log")
    few = sum(line.values.shape[1] for line in lines) <= FEW_LINES
    for line in lines:
        if few:
            axes.plot(line.steps, line.values, linewidth=0.6, alpha=0.4, **line.pen)
        marker = "o" if _is_point(line) else None
        axes.plot(line.steps, line.mean, linewidth=1.8, markersize=4.5, marker=marker, **line.pen)
    limits = axes.get_ylim()
    for line in lines if bands else []:
        _spread(axes, line)
    if few:  # with two or three seeds the band can dwarf the curves; the member lines already show the range
        axes.set_ylim(limits)


def _spread(axes: "Axes", line: _Line) -> None:
    colour = line.pen["color"]
    if not np.isfinite(line.half_width).any():
        return
    if _is_point(line):
        axes.errorbar(line.steps, line.mean, line.half_width, color=colour, linewidth=1.2, capsize=3)
    else:
        low, high = line.mean - line.half_width, line.mean + line.half_width
        axes.fill_between(line.steps, low, high, color=colour, alpha=0.18, linewidth=0)


def _is_point(line: _Line) -> bool:
    return len(line.steps) == 1


def _wants_log(means: np.ndarray) -> bool:
    finite = means[np.isfinite(means)]
    return bool(len(finite) and finite.min() > 0 and finite.max() > LOG_RATIO * finite.min())


def _split_key(figure: "Figure", lines: list[_Line], settings_shown: int) -> None:
    from matplotlib.lines import Line2D

    found = sorted({line.split for line in lines}, key=SPLITS.index)
    handles = []
    for split in found if len(found) > 1 else []:
        pen = _pen(split, style.INK, settings_shown=settings_shown, splits_shown=len(found))
        if all(_is_point(line) for line in lines if line.split == split):
            pen |= {"linestyle": "", "marker": "o", "markersize": 4.5}
        handles.append(Line2D([], [], label=split or "other", linewidth=1.8, **pen))
    style.legend(figure, handles, "outside upper right")


def _setting_key(figure: "Figure", grid: "list[Axes]", shown: list[_Setting]) -> None:
    from matplotlib.lines import Line2D

    hypers = [setting.hypers for setting in shown]
    places, number = _places(hypers)
    fields = list(dict.fromkeys(field for setting in hypers for field in setting))
    if len(shown) > LEGEND_LIMIT or (number and len(shown) > FEW_SETTINGS):
        style.colour_bar(figure, grid, _norm(places), number or "setting, in order of appearance", whole=not number)
    elif len(shown) > 1:
        labels = [", ".join(formatting.number(value) for value in setting.values()) for setting in hypers]
        handles = [
            Line2D([], [], color=setting.colour, linewidth=1.8, label=label)
            for setting, label in zip(shown, labels, strict=True)
        ]
        style.legend(figure, handles, "outside lower center", ", ".join(fields))
