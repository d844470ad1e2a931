import networkx
import numpy as np
import pytest
from matplotlib.colors import to_hex

from mlr_jax.report.graphs import Panel, around, graphs, induced, layout
from mlr_jax.report.style import PALETTE, png

EDGES = np.array([[0, 1], [1, 0], [1, 2], [2, 1], [2, 3], [3, 2], [3, 3]])
PLACES = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
LABELS = np.array([0, 0, 1, -1])


def panel(**changes):
    return Panel("a path", PLACES, EDGES, LABELS)._replace(**changes)


def points(figure):
    """What was scattered: the nodes, and the rings around them."""
    return [part for part in figure.axes[0].collections if hasattr(part, "get_sizes")]


def offsets(figure):
    return [np.asarray(part.get_offsets()) for part in points(figure)]


def test_joined_nodes_lie_closer_than_others():
    club = networkx.karate_club_graph()
    edges = np.array(list(club.edges))
    for place in (layout(34, edges), layout(150, np.array(list(networkx.cycle_graph(150).edges)))):
        pairs = edges if len(place) == 34 else np.array(list(networkx.cycle_graph(150).edges))
        joined = np.linalg.norm(place[pairs[:, 0]] - place[pairs[:, 1]], axis=1).mean()
        apart = np.linalg.norm(place[:, None] - place[None], axis=2).mean()
        assert joined < 0.75 * apart
    np.testing.assert_array_equal(layout(34, edges), layout(34, edges))
    assert layout(1, np.zeros((0, 2), int)).shape == (1, 2)
    assert np.isfinite(layout(5, np.array([[0, 1], [2, 2]]))).all()


def test_the_neighbourhood_of_a_node_is_found_by_hops():
    assert around(EDGES, 0, hops=0).tolist() == [0]
    assert around(EDGES, 0, hops=1).tolist() == [0, 1]
    assert around(EDGES, 1, hops=1).tolist() == [1, 0, 2]
    assert around(EDGES, 0, hops=9, most=3).tolist() == [0, 1, 2]
    edges, rows = induced(EDGES, np.array([2, 1]))
    assert edges.tolist() == [[1, 0], [0, 1]]
    assert rows.tolist() == [2, 3]


def test_every_node_is_drawn_and_a_wrong_one_has_a_ring_of_what_it_is_taken_for():
    figure = graphs([panel(predictions=np.array([0, 1, 1, 0]))], ("a", "b"))
    drawn = offsets(figure)
    assert sum(map(len, drawn)) == 4 + 1
    rings = [part for part in points(figure) if len(part.get_facecolors()) == 0]
    assert np.asarray(rings[0].get_offsets()).tolist() == [[1, 0]]
    right = graphs([panel(predictions=np.array([0, 0, 1, 1]))], ("a", "b"))
    assert sum(map(len, offsets(right))) == 4
    assert png(figure).startswith(b"\x89PNG")


def test_two_directions_are_one_line_and_widths_make_an_arrow_each():
    plain = graphs([panel()], ("a", "b")).axes[0]
    lines = [part for part in plain.collections if hasattr(part, "get_segments")]
    assert len(lines[0].get_segments()) == 3 + 1
    assert not plain.patches
    arrows = graphs([panel(widths=np.arange(7.0))], ("a", "b")).axes[0].patches
    assert len(arrows) == 6  # a self loop has none
    widths = [arrow.get_linewidth() for arrow in arrows]
    assert widths == sorted(widths)
    assert png(graphs([panel(widths=np.zeros(7))], ("a", "b"))).startswith(b"\x89PNG")


def test_groups_of_edges_have_their_own_colour_and_width():
    axes = graphs([panel(groups=np.array([0, 0, 2, 2, 0, 0, 0]))], ("a", "b")).axes[0]
    plain, second = [part for part in axes.collections if hasattr(part, "get_segments")]
    assert len(plain.get_segments()) == 3
    assert [segment.tolist() for segment in second.get_segments()] == [[[1, 0], [1, 1]]]
    assert to_hex(second.get_colors()[0]) == PALETTE[1].lower()
    assert second.get_linewidths()[0] > plain.get_linewidths()[0]


def test_marked_nodes_are_larger_and_texts_are_written():
    figure = graphs([panel(marked=LABELS == 0, texts=["C", "N", "O", "F"])], ("a", "b"))
    sizes = {float(size) for part in points(figure) for size in part.get_sizes()}
    assert len(sizes) == 2
    assert [text.get_text() for text in figure.axes[0].texts] == ["C", "N", "O", "F"]


def test_graphs_without_edges_and_of_one_node_are_drawn():
    empty = np.zeros((0, 2), int)
    figure = graphs([panel(edges=empty), Panel("", np.zeros((1, 2)), empty, np.array([0]))], ("only",) * 2)
    assert png(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions": PLACES[:3]}, r"'a path' wanted positions \[N, 2\]"),
        ({"edges": EDGES[:, :1]}, r"'a path' wanted positions"),
        ({"predictions": LABELS[:2]}, r"'a path' wanted positions"),
        ({"widths": np.ones(3)}, r"'a path' wanted positions"),
        ({"groups": np.ones(3)}, r"'a path' wanted positions"),
        ({"edges": np.array([[0, 4]])}, "has an edge of node 4, which is not one of the 4"),
        ({"labels": np.array([0, 1, 2, 0])}, "has labels up to 2, got 2 class names"),
        ({"predictions": np.array([0, 1, 2, 0])}, "has predictions up to 2, got 2 class names"),
    ],
)
def test_what_does_not_fit_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        graphs([panel(**changes)], ("a", "b"))
