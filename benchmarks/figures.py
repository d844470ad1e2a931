"""The figures of a benchmark's report."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmarks.curves import Curve
from benchmarks.ratios import fastest, names
from benchmarks.rows import Row
from mlr_jax.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def ratios(rows: Sequence[Row]) -> "Figure":
    """A line for each case: how often the fastest of ours is as fast as each peer, 1 being as fast."""
    shown = [name for name in names(rows) if fastest(rows, name, ours=False)]
    whos = list(dict.fromkeys(row.who for row in rows if not row.is_ours))
    colours = dict(zip(whos, style.class_colours(len(whos)), strict=True))
    figure, (axes,) = style.canvas(size=(7.0, 1.0 + 0.24 * len(shown)))
    for place, name in enumerate(shown):
        best = fastest(rows, name, ours=True)
        assert best is not None
        for row in rows:
            if row.name == name and not row.is_ours:
                marker = style.MARKERS[whos.index(row.who) % len(style.MARKERS)]
                axes.plot(row.median_s / best.median_s, place, marker, color=colours[row.who], markersize=5)
    axes.axvline(1.0, color=style.INK, linewidth=1)
    _log_ticks(axes, "x")
    axes.set_yticks(range(len(shown)), shown)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    style.dress(axes, "", "times as fast (log scale; left of the line the peer is faster)")
    style.class_key(figure, whos)
    return figure


def roofline(rows: Sequence[Row]) -> "Figure":
    """Operations a second over operations a byte, under what the machine can do (Williams et al., 2009)."""
    most = rows[-1].machine["ceilings"]
    figure, (axes,) = style.canvas(size=(7.0, 4.6))
    families = list(dict.fromkeys(row.name.split("/")[0] for row in rows))
    colours = style.class_colours(len(families))
    intensities = np.array([(row.flops or 0) / (row.bytes or 1) for row in rows])
    for row, intensity in zip(rows, intensities, strict=True):
        index = families.index(row.name.split("/")[0])
        marker = style.MARKERS[index % len(style.MARKERS)]
        axes.plot(intensity, (row.flops or 0) / row.median_s / 1e9, marker, color=colours[index], markersize=5)
    places = np.geomspace(min(intensities.min(), 0.1), 2 * max(intensities.max(), most["flops"] / most["bytes"]), 200)
    axes.plot(places, np.minimum(most["flops"], places * most["bytes"]) / 1e9, color=style.INK, linewidth=1.4)
    _log_ticks(axes, "x")
    _log_ticks(axes, "y")
    style.dress(axes, "", "operations a byte", "GFLOP/s")
    style.class_key(figure, families)
    return figure


def scaling(curves: Sequence[Curve]) -> "Figure":
    """A panel for each curve: the time of a step by size, and the law that fits it."""
    figure, panels = style.canvas(len(curves), columns=2)
    for axes, curve in zip(panels, curves, strict=True):
        sizes, seconds = np.array(curve.sizes, float), np.array(curve.seconds)
        level = np.exp(np.mean(np.log(seconds) - curve.exponent * np.log(sizes)))
        axes.plot(sizes, 1e3 * level * sizes**curve.exponent, color=style.PALETTE[0], linewidth=1, alpha=0.6)
        axes.plot(sizes, 1e3 * seconds, "o", color=style.PALETTE[0], markersize=5)
        _log_ticks(axes, "y")
        style.log_axis(axes, sizes)
        style.dress(axes, f"{curve.name}: exponent {curve.exponent:.2f} ({curve.stated:g})", curve.name, "ms a step")
    return figure


def _log_ticks(axes: "Axes", which: Literal["x", "y"]) -> None:
    """A log axis with plain numbers at 1, 2 and 5 of each decade, as far as there is room."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set(**{f"{which}scale": "log"})
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=9))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())
