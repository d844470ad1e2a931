"""Drawn graphs: nodes with their true classes and what a network says of them, edges as wide as its attention."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mlr_jax.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ARRANGED = 120
"""Up to so many nodes are placed by the lengths of their shortest paths, more by forces between neighbours."""

MANY = 600
"""More nodes than this are only roughly arranged: the forces cost N^2 for each round."""

WIDEST = 4.5
"""The line of the greatest width, in points."""


class Panel(NamedTuple):
    """One drawing of a graph.

    title:       what it shows
    positions:   [N, 2], from `layout` or an embedding
    edges:       [E, 2], sender and receiver; without widths, both directions are one line
    labels:      [N], the true class; -1 is grey
    predictions: [N], what the network says: a node it gets wrong has a ring in the colour of the class it says
    marked:      [N], nodes to draw larger, such as those that train
    widths:      [E], at least 0, such as attention: edges become arrows of that width, relative to the greatest
    groups:      [E], without widths: 0 is grey, k the k-th colour of the palette, and thicker
    texts:       [N], written on nodes, which are round then: elements of atoms
    """

    title: str
    positions: np.ndarray
    edges: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray | None = None
    marked: np.ndarray | None = None
    widths: np.ndarray | None = None
    groups: np.ndarray | None = None
    texts: Sequence[str] | None = None


def layout(num_nodes: int, edges: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Positions of the nodes in the plane, [N, 2]: what is joined by edges [E, 2] lies close. Fixed by the seed.

    By distances in the graph (Kamada & Kawai, 1989), or, if it is large, by forces (Fruchterman & Reingold, 1991).
    """
    import networkx

    graph: networkx.Graph = networkx.Graph()
    graph.add_nodes_from(range(num_nodes))
    graph.add_edges_from((int(first), int(second)) for first, second in edges if first != second)
    place = networkx.spring_layout(graph, seed=seed, iterations=200 if num_nodes <= MANY else 30)
    if 2 < num_nodes <= MOST_ARRANGED and networkx.is_connected(graph):
        place = networkx.kamada_kawai_layout(graph, pos=place)
    return np.array([place[node] for node in range(num_nodes)], float).reshape(num_nodes, 2)


def around(edges: np.ndarray, centre: int, hops: int = 2, most: int = 60) -> np.ndarray:
    """The nodes within `hops` edges of `centre`, nearest first and at most so many, `centre` at the head: [M]."""
    found = [centre]
    frontier = np.array([centre])
    for _ in range(hops):
        touching = edges[np.isin(edges[:, 0], frontier) | np.isin(edges[:, 1], frontier)]
        frontier = np.setdiff1d(np.unique(touching), found)
        found += frontier.tolist()
    return np.array(found[:most], int)


def induced(edges: np.ndarray, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The edges between these nodes, numbered as they are there, [M, 2]; and which rows of `edges` they are, [M]."""
    number = np.full(max(int(edges.max(initial=-1)), int(nodes.max(initial=-1))) + 1, -1)
    number[nodes] = np.arange(len(nodes))
    renamed = number[edges]
    rows = np.flatnonzero((renamed >= 0).all(axis=1))
    return renamed[rows], rows


def graphs(
    panels: Sequence[Panel], class_names: Sequence[str], *, columns: int = 2, size: tuple[float, float] = (4.6, 4.3)
) -> "Figure":
    """A panel for each drawing: nodes in the colour and marker of their class, with a key.

    Raises ValueError for arrays that do not fit each other.
    """
    for panel in panels:
        _check(panel, len(class_names))
    figure, grid = style.canvas(len(panels), columns=columns, size=size)
    for axes, panel in zip(grid, panels, strict=True):
        _draw_edges(axes, panel)
        _draw_nodes(axes, panel, len(class_names))
        style.dress(axes, panel.title, grid=False)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.margins(0.08)
    if len(class_names) > 1 and any(panel.texts is None for panel in panels):
        style.class_key(figure, class_names)
    return figure


def _draw_edges(axes: "Axes", panel: Panel) -> None:
    from matplotlib.collections import LineCollection

    edges = np.asarray(panel.edges, int).reshape(-1, 2)
    if panel.widths is not None:
        _draw_arrows(axes, panel, edges)
        return
    once, rows = np.unique(np.sort(edges, axis=1), axis=0, return_index=True)
    groups = np.zeros(len(edges), int) if panel.groups is None else np.asarray(panel.groups, int)
    crowd = min(1.0, 40 / np.sqrt(max(len(once), 1)))
    for group in np.unique(groups):
        lines = list(panel.positions[once[groups[rows] == group]])
        colour = style.PALETTE[(group - 1) % len(style.PALETTE)] if group else "#8C8C8C"
        width, alpha = (2.4, 0.9) if group else (1.1 * crowd, 0.25 + 0.4 * crowd)
        drawn = LineCollection(lines, colors=colour, linewidths=width, alpha=alpha, zorder=1 + 0.1 * (group > 0))
        axes.add_collection(drawn)


def _draw_arrows(axes: "Axes", panel: Panel, edges: np.ndarray) -> None:
    """The widest on top; a self loop has no arrow."""
    from matplotlib.patches import FancyArrowPatch

    widths = np.asarray(panel.widths, float)
    shares = widths / max(float(widths.max(initial=0)), 1e-12)
    shrink = np.sqrt(_node_size(panel)) / 2 + 1.5
    for row in np.argsort(shares):
        sender, receiver = edges[row]
        if sender == receiver:
            continue
        share = shares[row]
        arrow = FancyArrowPatch(
            tuple(panel.positions[sender]), tuple(panel.positions[receiver]), connectionstyle="arc3,rad=0.13",
            arrowstyle="-|>", mutation_scale=5 + 5 * share, linewidth=0.3 + WIDEST * share, shrinkA=shrink,
            shrinkB=shrink, color=style.sequential()(1 - share), alpha=0.35 + 0.6 * share, zorder=1 + share,
        )  # fmt: skip
        axes.add_patch(arrow)


def _draw_nodes(axes: "Axes", panel: Panel, num_classes: int) -> None:
    colours = style.class_colours(num_classes)
    size = _node_size(panel)
    rim = 0.5 if size > 20 else 0.0  # which would cover most of a small node
    sizes = np.full(len(panel.labels), size)
    if panel.marked is not None:
        sizes[np.asarray(panel.marked, bool)] *= 2.6
    for k in range(-1, num_classes):
        own = np.flatnonzero(panel.labels == k)
        if not len(own):
            continue
        x, y = panel.positions[own].T
        colour = "#B8B8B8" if k < 0 else colours[k]
        marker = "o" if k < 0 or panel.texts is not None else style.MARKERS[k % len(style.MARKERS)]
        axes.scatter(x, y, s=sizes[own], marker=marker, color=colour, edgecolors="white", linewidths=rim, zorder=3)
    if panel.predictions is not None:
        wrong = np.flatnonzero((panel.predictions != panel.labels) & (panel.labels >= 0))
        x, y = panel.positions[wrong].T
        ring = [colours[k] for k in panel.predictions[wrong]]
        axes.scatter(x, y, s=3.2 * sizes[wrong] + 12, facecolors="none", edgecolors=ring, linewidths=1.6, zorder=4)
    for k, text in enumerate(panel.texts or ()):
        x_k, y_k = panel.positions[k]
        axes.text(x_k, y_k, text, fontsize=style.SMALL_SIZE, color="white", ha="center", va="center_baseline", zorder=5)


def _node_size(panel: Panel) -> float:
    if panel.texts is not None:
        return 130.0
    return float(np.clip(6000 / max(len(panel.labels), 1), 7, 70))


def _check(panel: Panel, num_classes: int) -> None:
    count = len(panel.labels)
    edges = np.asarray(panel.edges)
    fits = panel.positions.shape == (count, 2) and edges.ndim == 2 and edges.shape[1] == 2
    fits = fits and all(part is None or len(part) == count for part in (panel.predictions, panel.marked, panel.texts))
    fits = fits and all(part is None or np.shape(part) == (len(edges),) for part in (panel.widths, panel.groups))
    if not fits:
        shapes = [None if part is None else np.shape(part) for part in panel[1:]]
        raise ValueError(
            f"graphs: {panel.title!r} wanted positions [N, 2], edges [E, 2], labels [N], predictions, marked and texts "
            f"[N], widths and groups [E], got {shapes}"
        )
    outside = edges[(edges < 0) | (edges >= count)]
    if outside.size:
        raise ValueError(f"graphs: {panel.title!r} has an edge of node {outside[0]}, which is not one of the {count}")
    for name, classes in (("labels", panel.labels), ("predictions", panel.predictions)):
        if classes is not None and count and np.max(classes) >= num_classes:
            raise ValueError(
                f"graphs: {panel.title!r} has {name} up to {np.max(classes)}, got {num_classes} class names"
            )
