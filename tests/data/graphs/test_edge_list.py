import numpy as np
import pytest

from mlr_jax.data.graphs.edge_list import load_edge_list

EDGES = "from,to,weight\nb,a,0.5\na,c,2\nc,c,1\n"
NODES = "name,label,size,split\na,red,1,train\nb,blue,2.5,\nc,,3,\nd,red,4,test\n"


def write(folder, edges=EDGES, nodes=NODES):
    (folder / "edges.csv").write_text(edges)
    if nodes is not None:
        (folder / "nodes.csv").write_text(nodes)
    return folder / "edges.csv", None if nodes is None else folder / "nodes.csv"


def test_edges_labels_and_splits_are_read(tmp_path):
    data = load_edge_list(*write(tmp_path))
    graph = data.graph
    rows = zip(graph.senders.tolist(), graph.receivers.tolist(), graph.edges[:, 0].tolist(), strict=True)
    assert set(rows) == {(1, 0, 0.5), (0, 1, 0.5), (0, 2, 2), (2, 0, 2), (2, 2, 1)}
    assert graph.nodes.tolist() == [[1], [2.5], [3], [4]]
    assert data.class_names == ("blue", "red")
    assert data.y.tolist() == [1, 0, -1, 1]
    assert (data.train.tolist(), data.validation.tolist(), data.test.tolist()) == ([0], [], [3])


def test_without_a_file_of_nodes_edges_name_them(tmp_path):
    data = load_edge_list(*write(tmp_path, "x,y\nq,p\np,r\n", None))
    assert data.graph.nodes.tolist() == [[1], [1], [1]]
    assert data.graph.edges is None
    assert set(zip(data.graph.senders, data.graph.receivers, strict=True)) == {(0, 1), (1, 0), (1, 2), (2, 1)}
    assert data.y.tolist() == [-1, -1, -1]
    assert data.class_names == ()


def test_a_graph_may_have_no_edges(tmp_path):
    data = load_edge_list(*write(tmp_path, "from,to\n", "name\na\n"))
    assert data.graph.nodes.shape == (1, 1)
    assert data.graph.senders.shape == (0,)
    assert data.graph.senders.dtype == np.int32


@pytest.mark.parametrize(
    ("edges", "nodes", "message"),
    [
        ("from,to\nb,a\na,e\n", NODES, r"edges\.csv, line 3: an edge of node 'e', which has no line in .*nodes\.csv"),
        ("from,to\nb,a\na,b\n", NODES, r"edges\.csv, line 3: a second edge between 'a' and 'b'"),
        ("from,to\nb,a,1\n", NODES, r"edges\.csv, line 2: got 3 cells, the header has 2"),
        ("from,to,w\nb,a,1\n\nb,c,much\n", NODES, r"edges\.csv, line 4: column 'w' must be a number, got 'much'"),
        ("from,to,w\nb,a,inf\n", NODES, r"edges\.csv, line 2: column 'w' must be a number, got 'inf'"),
        ("from\nb\n", NODES, r"edges\.csv, line 1: wanted a name of its own for each of at least 2 columns"),
        ("", NODES, r"edges\.csv, line 1: wanted a name"),
        (EDGES, "name,f\na,1\nb,2\nc,\n", r"nodes\.csv, line 4: column 'f' must be a number, got ''"),
        (EDGES, "name\na\nb\nc\na\n", r"nodes\.csv, line 5: a second line of node 'a'"),
        (EDGES, NODES.replace("train", "training"), r"nodes\.csv, line 2: a split is one of train, validation, test"),
        (EDGES, NODES.replace("3,", "3,test"), r"nodes\.csv, line 4: node 'c' is to test and has no label"),
        (EDGES, "name,split\na,train\nb,\nc,\n", r"nodes\.csv, line 2: node 'a' is to train and has no label"),
        (EDGES, "name,name\na,b\n", r"nodes\.csv, line 1: wanted a name of its own"),
    ],
)
def test_what_does_not_fit_is_refused_with_file_and_line(tmp_path, edges, nodes, message):
    with pytest.raises(ValueError, match=message) as error:
        load_edge_list(*write(tmp_path, edges, nodes))
    assert str(error.value).startswith(str(tmp_path))


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file at .*edges\.csv"):
        load_edge_list(tmp_path / "edges.csv")
