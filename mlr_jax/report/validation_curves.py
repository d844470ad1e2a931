"""How error depends on what is chosen: validation curves, learning curves, bias and variance, paths of coefficients."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from mlr_jax.report import style
from mlr_jax.report.statistics import t_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NAMES = 10
FEW_PLACES = 30


def score_curves(
    panels: Mapping[str, tuple[ArrayLike, Mapping[str, ArrayLike]]],
    x_label: str | Sequence[str],
    y_label: str,
    *,
    best: Mapping[str, str] | None = None,
    columns: int = 2,
) -> "Figure":
    """A panel by title of curves by name over places [P]: means of values [P, M] over members with 95 % intervals.

    Places are sizes of the training set (a learning curve) or values of a hyper-parameter (a validation curve), on a
    log axis if they are spaced by ratio. best: by title the curve whose least mean is marked. Raises ValueError for
    values that do not fit their places.
    """
    figure, grid = style.canvas(len(panels), columns=columns)
    labels = [x_label] * len(panels) if isinstance(x_label, str) else x_label
    names = list(dict.fromkeys(name for _, curves in panels.values() for name in curves))
    for axes, label, (title, (places, curves)) in zip(grid, labels, panels.items(), strict=True):
        for name, values in curves.items():
            colour = style.class_colours(len(names))[names.index(name)]
            _band(
                axes,
                np.asarray(places, float),
                np.asarray(values, float),
                colour,
                marked=(best or {}).get(title) == name,
            )
        if style.is_geometric(places):
            style.log_axis(axes, places)
        style.dress(axes, title, label, y_label)
    _key(figure, names)
    return figure


def bias_variance(
    places: ArrayLike, bias: ArrayLike, variance: ArrayLike, *, noise: float, error: ArrayLike, x_label: str
) -> "Figure":
    """Squared bias, variance and noise, each [P], stacked over `places` [P]; dots are the error measured on its own.

    Where the decomposition holds, the dots lie on the upper edge of the stack. Raises ValueError for other lengths.
    """
    arrays = [np.asarray(array, float) for array in (places, bias, variance, error)]
    if len({array.shape for array in arrays}) > 1:
        raise ValueError(f"bias_variance: wanted four arrays [P], got {[array.shape for array in arrays]}")
    at, squared_bias, spread, measured = arrays
    figure, (axes,) = style.canvas(size=(6.4, 3.8))
    parts = {"noise": np.full_like(at, noise), "bias²": squared_bias, "variance": spread}
    colours = ("#BBBBBB", style.PALETTE[0], style.PALETTE[4])
    axes.stackplot(at, *parts.values(), labels=list(parts), colors=colours, alpha=0.85, linewidth=0)
    axes.plot(at, measured, "o", color=style.INK, markersize=4, label="error, measured")
    if style.is_geometric(at):
        style.log_axis(axes, at)
    axes.set(xlim=(at.min(), at.max()), ylim=(0, min(measured.max() * 1.05, 8 * measured.min())))
    axes.legend(frameon=False, fontsize=style.SMALL_SIZE, labelcolor=style.INK)
    style.dress(axes, "", x_label, "Mean squared error")
    return figure


def fits(
    panels: Mapping[str, ArrayLike], x: ArrayLike, truth: ArrayLike, points: tuple[ArrayLike, ArrayLike] | None = None,
    *, columns: int = 3,
) -> "Figure":  # fmt: skip
    """A panel by title of functions [R, G] fitted to R training sets, their mean, and the `truth` [G] at `x` [G].

    points: x and y of one of the training sets.
    """
    figure, grid = style.canvas(len(panels), columns=columns, size=(3.6, 2.9))
    at, true = np.asarray(x), np.asarray(truth)
    room = 0.9 * (true.max() - true.min())
    for axes, (title, functions) in zip(grid, panels.items(), strict=True):
        values = np.asarray(functions)
        axes.plot(at, values[:40].T, color=style.PALETTE[5], linewidth=0.6, alpha=0.5)
        if points is not None:
            axes.plot(*map(np.asarray, points), ".", color="#888888", markersize=3.5)
        axes.plot(at, true, color=style.INK, linewidth=1.8, linestyle="--")
        axes.plot(at, values.mean(0), color=style.PALETTE[1], linewidth=1.8)
        axes.set_ylim(true.min() - room, true.max() + room)
        style.dress(axes, title)
    _line_key(
        figure, {"single fits": style.PALETTE[5], "their mean": style.PALETTE[1], "truth": style.INK}, dashed="truth"
    )
    return figure


def coefficient_paths(
    panels: Mapping[str, tuple[ArrayLike, ArrayLike]],
    feature_names: Sequence[str],
    chosen: Mapping[str, float] | None = None,
) -> "Figure":
    """A panel by title of penalties [P] and coefficients [P, D], with the names of those that grow largest.

    chosen: by title a penalty to mark. Raises ValueError for coefficients of another shape.
    """
    figure, grid = style.canvas(len(panels), size=(5.2, 3.8))
    for axes, (title, (penalties, coefficients)) in zip(grid, panels.items(), strict=True):
        at, values = np.asarray(penalties, float), np.asarray(coefficients, float)
        if values.shape != (len(at), len(feature_names)):
            raise ValueError(
                f"coefficient_paths: {title!r} has shape {values.shape}, wanted {(len(at), len(feature_names))}"
            )
        axes.axhline(0, color="#999999", linewidth=0.7)
        _paths(axes, at, values, feature_names)
        if title in (chosen or {}):
            axes.axvline((chosen or {})[title], color=style.INK, linewidth=1, linestyle=":")
        style.dress(axes, title, "Penalty (weaker to the right)", "Coefficient")
    return figure


def _paths(axes: "Axes", at: np.ndarray, values: np.ndarray, feature_names: Sequence[str]) -> None:
    """A line for each column, the largest in colour and with its name at the end."""
    largest = np.argsort(-np.abs(values).max(0))[:MOST_NAMES]
    for column in range(values.shape[1]):
        rank = int(np.argmax(largest == column)) if column in largest else None
        colour = "#BBBBBB" if rank is None else style.class_colours(MOST_NAMES)[rank]
        axes.plot(at, values[:, column], color=colour, linewidth=0.8 if rank is None else 1.5)
    axes.set_xscale("log")
    axes.invert_xaxis()
    _name_ends(axes, values[int(np.argmin(at))], largest, feature_names)


def _name_ends(axes: "Axes", ends: np.ndarray, largest: np.ndarray, feature_names: Sequence[str]) -> None:
    """Names at the right border, each at the end of its line and moved apart where two would overlap."""
    low, high = axes.get_ylim()
    order = largest[np.argsort(ends[largest])]
    step = 0.062 * (high - low)
    heights = ends[order].copy()
    for _ in range(200):
        gaps = np.diff(heights)
        push = np.maximum(step - gaps, 0) / 2
        if not push.any():
            break
        heights[:-1] -= push
        heights[1:] += push
    for column, height in zip(order, heights, strict=True):
        rank = int(np.argmax(largest == column))
        axes.annotate(
            feature_names[column], (1, height), (5, 0), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
            fontsize=style.SMALL_SIZE, color=style.class_colours(MOST_NAMES)[rank], va="center", annotation_clip=False,
        )  # fmt: skip


def _band(axes: "Axes", places: np.ndarray, values: np.ndarray, colour: str, *, marked: bool) -> None:
    if values.ndim != 2 or len(values) != len(places):
        raise ValueError(f"score_curves: got values of shape {values.shape}, wanted [{len(places)}, M]")
    mean, half_width = t_interval(values)
    axes.plot(
        places, mean, color=colour, linewidth=1.8, marker="o" if len(places) <= FEW_PLACES else None, markersize=3.5
    )
    axes.fill_between(places, mean - half_width, mean + half_width, color=colour, alpha=0.18, linewidth=0)
    if marked and np.isfinite(mean).any():
        least = int(np.nanargmin(mean))
        axes.plot(places[least], mean[least], "o", markersize=10, markerfacecolor="none", color=style.INK)


def _key(figure: "Figure", names: Sequence[str]) -> None:
    if len(names) > 1:
        _line_key(figure, dict(zip(names, style.class_colours(len(names)), strict=True)))


def _line_key(figure: "Figure", colours: Mapping[str, str], dashed: str = "") -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, linewidth=1.8, linestyle="--" if name == dashed else "-", label=name)
        for name, colour in colours.items()
    ]
    style.legend(figure, handles, "outside lower center")
