"""The look of every figure, in one place: colours that the colour-blind can tell apart, thin grid, no chart junk.

Figures are made without pyplot, so drawing leaves no global state behind and needs no display.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito (2008), without black and the yellow that fades on white."""

MARKERS = ("o", "^", "s", "D", "v", "P", "X", "<", ">", "*")
"""A second way, beside colour, to tell classes apart."""

INK, GRID = "#333333", "#E4E4E4"
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 11, 9.5, 8.5
PANEL = (4.6, 3.2)
"""Width and height of one panel, in inches."""

DPI = 160
"""Dots per inch of a saved figure: sharp on a dense screen at its natural size of 96 per inch."""


def canvas(panels: int = 1, *, columns: int = 2, size: tuple[float, float] = PANEL) -> "tuple[Figure, list[Axes]]":
    """A white figure of `panels` equal panels, filled row by row, each of `size` inches; what is left over is blank."""
    from matplotlib.figure import Figure

    columns = min(columns, panels)
    rows = -(-panels // columns)
    figure = Figure(figsize=(columns * size[0], rows * size[1]), facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.07, h_pad=0.07)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in grid[panels:]:
        spare.remove()
    return figure, list(grid[:panels])


def dress(axes: "Axes", title: str = "", x_label: str = "", y_label: str = "", *, grid: bool = True) -> None:
    """Labels, a light grid and two spines: the same for every plot."""
    axes.set_title(title, fontsize=TITLE_SIZE, color=INK, loc="left")
    axes.set_xlabel(x_label, fontsize=TEXT_SIZE, color=INK)
    axes.set_ylabel(y_label, fontsize=TEXT_SIZE, color=INK)
    axes.tick_params(labelsize=SMALL_SIZE, colors=INK, length=3, width=0.6)
    axes.tick_params(which="minor", length=0)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(True, color=GRID, linewidth=0.7)
    for side, spine in axes.spines.items():
        spine.set_visible(grid and side in ("left", "bottom"))
        spine.set_color("#999999")
        spine.set_linewidth(0.7)


def class_colours(count: int) -> list[Any]:
    """A colour for each of `count` classes: the palette, or Petroff's ten (2021), or as many as needed in an order."""
    if count <= len(PALETTE):
        return list(PALETTE[:count])
    if count <= 10:
        from matplotlib import color_sequences

        return list(color_sequences["petroff10"][:count])
    return list(sequential()(np.linspace(0, 1, count)))


def class_key(figure: "Figure", class_names: Sequence[str], *, place: str = "outside lower center") -> None:
    """A legend of classes, each with its colour and marker."""
    from matplotlib.lines import Line2D

    colours = class_colours(len(class_names))
    handles = [
        Line2D([], [], linestyle="", marker=MARKERS[k % len(MARKERS)], color=colour, markersize=5, label=name)
        for k, (name, colour) in enumerate(zip(class_names, colours, strict=True))
    ]
    legend(figure, handles, place)


def sequential() -> "Colormap":
    """Viridis without its last, pale part: ordered, even in grey print, visible on white."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.88, 256)), name="viridis_dark")


def colour_bar(
    figure: "Figure", grid: "Axes | list[Axes]", norm: "Normalize", label: str, *, whole: bool = False
) -> None:
    """A bar beside `grid`: which number, `whole` or not, each colour of `sequential` stands for under `norm`."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.ticker import MaxNLocator

    ticks = MaxNLocator(integer=True) if whole else None
    bar = figure.colorbar(ScalarMappable(norm, sequential()), ax=grid, aspect=30, pad=0.02, ticks=ticks)
    bar.outline.set_visible(False)  # type: ignore[operator]
    dress(bar.ax, y_label=label, grid=False)


def legend(figure: "Figure", handles: "list[Line2D]", place: Any, title: str = "") -> None:
    """A legend outside the panels, in as many columns as fit, for which the figure grows; none without handles."""
    if not handles:
        return
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(len(handles), int(12 * figure.get_figwidth() / (longest + 6))))
    lines = -(-len(handles) // columns) + bool(title)
    figure.set_figheight(figure.get_figheight() + 0.2 * lines)
    figure.legend(
        handles=handles, loc=place, ncols=columns, title=title, frameon=False, borderaxespad=0.2,
        fontsize=SMALL_SIZE, title_fontsize=SMALL_SIZE, labelcolor=INK,
    )  # fmt: skip


def is_numeric(values: Sequence[Any]) -> bool:
    """Whether all values are numbers, so that they have an order and a place on an axis."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def is_geometric(values: ArrayLike) -> bool:
    """Whether a log axis suits: the values span a decade, and their median is nearer to the middle of it there."""
    distinct = np.unique(np.asarray(values, dtype=np.float64))
    if len(distinct) < 2 or distinct[0] <= 0 or distinct[-1] / distinct[0] < 10:
        return False
    return _lopsidedness(np.log(distinct)) <= _lopsidedness(distinct) + 1e-9


def log_axis(axes: "Axes", places: ArrayLike) -> None:
    """A log x axis; where the places are whole numbers, they themselves are its ticks, as far as there is room."""
    axes.set_xscale("log")
    values = np.asarray(places, dtype=np.float64)
    if (values == np.round(values)).all() and values.max() < 1e6:
        wanted = np.geomspace(values.min(), values.max(), min(7, len(values)))
        ticks = sorted({float(values[np.argmin(np.abs(np.log(values / place)))]) for place in wanted})
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)


def png(figure: "Figure") -> bytes:
    """The figure as a PNG file of `DPI` dots per inch."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def _lopsidedness(ordered: np.ndarray) -> float:
    """How far the median lies from the middle, as a share of the range."""
    return abs(float((np.median(ordered) - ordered[0]) / (ordered[-1] - ordered[0])) - 0.5)
