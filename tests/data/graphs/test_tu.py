import pytest

from mlr_jax.data.graphs.tu import load_tu

# Two graphs: a triangle of which one edge is missing in one direction, and two nodes with an edge; labels 5 and -1.
FILES = {
    "A": "1, 2\n2, 1\n3, 1\n5, 4\n4, 5\n2,3\n",
    "graph_indicator": "1\n1\n1\n2\n2\n",
    "graph_labels": "5\n-1\n",
    "node_labels": "7\n3\n7\n7\n9\n",
    "edge_labels": "0\n0\n1\n2\n2\n1\n",
}


def write(folder, **changes):
    for part, text in {**FILES, **changes}.items():
        if text is not None:
            (folder / f"TINY_{part}.txt").write_text(text)
    return folder


def test_graphs_are_cut_apart(tmp_path):
    data = load_tu(write(tmp_path))
    assert data.class_names == ("-1", "5")
    assert data.y.tolist() == [1, 0]
    first, second = data.graphs
    assert first.nodes.tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0]]
    assert second.nodes.tolist() == [[0, 1, 0], [0, 0, 1]]
    assert list(zip(first.senders, first.receivers, first.edges.argmax(1), strict=True)) == [
        (1, 0, 0), (2, 0, 1), (0, 1, 0), (1, 2, 1),
    ]  # fmt: skip
    assert list(zip(second.senders, second.receivers, second.edges.argmax(1), strict=True)) == [(1, 0, 2), (0, 1, 2)]


def test_attributes_stand_after_labels_and_a_set_without_either_has_ones(tmp_path):
    data = load_tu(write(tmp_path, node_attributes="0.5,1\n1,2\n2,3\n3,4\n4,5\n", edge_labels=None))
    assert data.graphs[0].nodes[0].tolist() == [0, 1, 0, 0.5, 1]
    assert data.graphs[0].edges is None
    (tmp_path / "TINY_node_labels.txt").unlink()
    (tmp_path / "TINY_node_attributes.txt").unlink()
    assert load_tu(tmp_path, "TINY").graphs[1].nodes.tolist() == [[1], [1]]


def test_a_set_with_numbers_for_graphs_is_for_regression(tmp_path):
    data = load_tu(write(tmp_path, graph_labels=None, graph_attributes="0.25\n-3\n"))
    assert data.class_names is None
    assert data.y.tolist() == [0.25, -3]


def test_a_graph_without_edges_is_one(tmp_path):
    data = load_tu(write(tmp_path, A="1, 2\n2, 1\n", edge_labels=None))
    assert data.graphs[1].n_edge.tolist() == [0]
    (tmp_path / "TINY_A.txt").write_text("")
    assert [graph.n_edge.tolist() for graph in load_tu(tmp_path).graphs] == [[0], [0]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"A": "1, 2\n2, 6\n"}, r"TINY_A\.txt, line 2: edge 2, 6 of a node that is not one of 1 to 5"),
        ({"A": "0, 2\n"}, r"TINY_A\.txt, line 1: edge 0, 2"),
        ({"A": "1, 2\n1, 4\n"}, r"TINY_A\.txt, line 2: an edge between graph 1 and graph 2"),
        ({"A": "1, 2\n1\n"}, r"TINY_A\.txt, line 2: got 1 values, wanted 2"),
        ({"A": "1, 2\n1, 1.5\n"}, r"TINY_A\.txt, line 2: got '1, 1.5', whole numbers are needed"),
        ({"graph_indicator": "1\n1\n3\n2\n2\n"}, r"graph_indicator\.txt, line 3: graph 3 after graph 1"),
        ({"graph_indicator": ""}, r"graph_indicator\.txt must have a line for each node"),
        ({"graph_labels": "5\n-1\n5\n"}, r"graph_labels\.txt, line 3: 3 labels for 2 graphs"),
        ({"graph_labels": "5\n"}, r"graph_labels\.txt, line 2: 1 labels for 2 graphs"),
        ({"node_labels": "7\n3\n7\n7\n9\n9\n"}, r"node_labels\.txt, line 6: 6 lines for 5 nodes"),
        ({"edge_labels": "7\n3\n"}, r"edge_labels\.txt, line 3: 2 lines for 6 edges"),
        ({"node_attributes": "1\n2\n3\nnan\n5\n"}, r"node_attributes\.txt, line 4: got 'nan', numbers are needed"),
        ({"node_attributes": "1,1\n2,2\n3\n4,4\n5,5\n"}, r"node_attributes\.txt, line 3: got 1 values, wanted 2"),
    ],
)
def test_what_does_not_fit_is_refused_with_file_and_line(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message) as error:
        load_tu(write(tmp_path, **changes))
    assert str(tmp_path) in str(error.value)


def test_files_that_are_missing_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must be a folder in TU format, it holds no file NAME_A\.txt"):
        load_tu(tmp_path)
    write(tmp_path, graph_labels=None)
    with pytest.raises(FileNotFoundError, match=r"no file at .*TINY_graph_labels\.txt"):
        load_tu(tmp_path)
    (tmp_path / "OTHER_A.txt").write_text("")
    with pytest.raises(FileNotFoundError, match="several sets, OTHER, TINY: give a name"):
        load_tu(tmp_path)
