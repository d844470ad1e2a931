"""A decision tree as it decides: every split, how impure its rows are, and which classes they belong to."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mlr_jax.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 1.62, 1.25
"""Inches for a leaf and for a level."""

BOX = (0.92, 0.62)
"""Part of a leaf's width and of a level's height that a box takes."""

BAR = 0.11
"""Part of a level's height that the bar of class shares takes."""


class Tree(NamedTuple):
    """Nodes in heap order, children of node i being 2 i + 1 (x <= threshold) and 2 i + 2; below a leaf nothing is read.

    feature:   [M], the column that an inner node looks at
    threshold: [M]
    is_leaf:   [M]
    weight:    [M], rows that reach the node
    value:     [M, K] weights or shares of the classes, or [M] mean of the target
    impurity:  [M]
    """

    feature: np.ndarray
    threshold: np.ndarray
    is_leaf: np.ndarray
    weight: np.ndarray
    value: np.ndarray
    impurity: np.ndarray


class Words(NamedTuple):
    """What boxes are written with: names of the features and classes, and of the measure of impurity."""

    features: Sequence[str]
    classes: Sequence[str]
    impurity: str


def weights_of(stops: np.ndarray, size: int) -> np.ndarray:
    """How many rows reach each of `size` nodes, given the node [N] at which each stops."""
    weight = np.bincount(stops, minlength=size).astype(float)
    for node in range(size - 1, 0, -1):
        weight[(node - 1) // 2] += weight[node]
    return weight


def tree(
    nodes: Tree,
    feature_names: Sequence[str],
    class_names: Sequence[str] = (),
    *,
    impurity: str = "gini",
    levels: int = 4,
) -> "Figure":
    """The tree's upper `levels` levels; where it goes on below there are three dots.

    Boxes have the colour of their most frequent class, paler where the rows are mixed, over a bar of the class shares.
    Without class names it is a regression tree, and boxes tell the mean. Raises ValueError if `value` does not fit.
    """
    arrays = Tree(*map(np.asarray, nodes))
    _check(arrays, class_names)
    places = _places(arrays, levels)
    depth = max(_level(node) for node in places)
    leaves = max(x for x, _ in places.values()) + 1
    figure, (axes,) = style.canvas(size=(max(leaves, 2) * WIDTH, (depth + 1) * HEIGHT))
    for node, (x, level) in places.items():
        for child in (2 * node + 1, 2 * node + 2):
            if child in places:
                _edge(axes, (x, level), places[child], "yes" if child % 2 else "no", named=node == 0)
    for node, (x, level) in places.items():
        _box(axes, (x, level), arrays, node, Words(feature_names, class_names, impurity))
        if _is_cut(arrays, node, places):
            axes.text(x, level + BOX[1] / 2 + 0.02, "⋯", ha="center", va="top", fontsize=13, color="#777777")
    axes.set(xlim=(-0.55, leaves - 0.45), ylim=(depth + 0.6, -0.5))
    axes.set_axis_off()
    if class_names:
        style.class_key(figure, class_names)
    return figure


def _check(arrays: Tree, class_names: Sequence[str]) -> None:
    count = len(arrays.feature)
    wanted = (count, len(class_names)) if class_names else (count,)
    if arrays.value.shape != wanted:
        raise ValueError(f"tree: value has shape {arrays.value.shape}, wanted {wanted}")


def _level(node: int) -> int:
    return (node + 1).bit_length() - 1


def _places(arrays: Tree, levels: int) -> dict[int, tuple[float, int]]:
    """Where each shown node lies: leaves side by side, every other node in the middle above its children."""
    places: dict[int, tuple[float, int]] = {}

    def place(node: int, next_leaf: int) -> int:
        ends = arrays.is_leaf[node] or _level(node) + 1 >= levels or 2 * node + 2 >= len(arrays.feature)
        if ends:
            places[node] = (float(next_leaf), _level(node))
            return next_leaf + 1
        after = place(2 * node + 2, place(2 * node + 1, next_leaf))
        places[node] = ((places[2 * node + 1][0] + places[2 * node + 2][0]) / 2, _level(node))
        return after

    place(0, 0)
    return places


def _is_cut(arrays: Tree, node: int, places: dict[int, tuple[float, int]]) -> bool:
    return not arrays.is_leaf[node] and 2 * node + 1 not in places and 2 * node + 2 < len(arrays.feature)


def _edge(axes: "Axes", start: tuple[float, int], end: tuple[float, int], word: str, *, named: bool) -> None:
    (x, y), (to_x, to_y) = start, end
    top, bottom = y + BOX[1] / 2, to_y - BOX[1] / 2
    axes.plot([x, to_x], [top, bottom], color="#999999", linewidth=1, zorder=1)
    if named:
        side = "right" if word == "yes" else "left"
        axes.text(
            (x + to_x) / 2, (top + bottom) / 2 - 0.03, f" {word} ", ha=side, va="bottom", fontsize=style.SMALL_SIZE
        )


def _box(axes: "Axes", place: tuple[float, int], arrays: Tree, node: int, words: Words) -> None:
    from matplotlib.patches import Rectangle

    (x, level), (width, height) = place, BOX
    splits = not arrays.is_leaf[node]
    lines = [f"{words.features[int(arrays.feature[node])]}\n≤ {arrays.threshold[node]:.4g}"] if splits else []
    fill = (1.0, 1.0, 1.0)
    if words.classes:
        shares = arrays.value[node] / max(arrays.value[node].sum(), 1e-12)
        lines += [] if splits else [words.classes[int(shares.argmax())]]
        fill = _tint(style.class_colours(len(shares))[int(shares.argmax())], float(shares.max()), len(shares))
        _bar(axes, shares, x - width / 2, level + height / 2 - BAR, width)
    else:
        lines += [f"mean {arrays.value[node]:.4g}"]
    lines += [f"n = {arrays.weight[node]:g}, {words.impurity} {arrays.impurity[node]:.3g}"]
    corner = (x - width / 2, level - height / 2)
    axes.add_patch(Rectangle(corner, width, height, facecolor=fill, edgecolor="#777777", linewidth=0.8, zorder=2))
    middle = level - (BAR / 2 if words.classes else 0)
    axes.text(x, middle, "\n".join(lines), ha="center", va="center", fontsize=8, color=style.INK, zorder=4)


def _tint(colour: str, share: float, classes: int) -> tuple[float, float, float]:
    """White where all classes are equally frequent, a pale form of the colour where only one is there."""
    from matplotlib.colors import to_rgb

    purity = (share - 1 / classes) / (1 - 1 / classes) if classes > 1 else 1.0
    red, green, blue = (1 - 0.38 * purity * (1 - part) for part in to_rgb(colour))
    return red, green, blue


def _bar(axes: "Axes", shares: np.ndarray, left: float, top: float, width: float) -> None:
    from matplotlib.patches import Rectangle

    for share, colour in zip(shares, style.class_colours(len(shares)), strict=True):
        axes.add_patch(Rectangle((left, top), width * share, BAR, facecolor=colour, linewidth=0, zorder=3))
        left += width * share
