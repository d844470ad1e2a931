import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.ops.graph import (
    GraphsTuple,
    Size,
    edge_mask,
    flatten,
    from_edges,
    fully_connected,
    graph_mask,
    graph_of_edge,
    graph_of_node,
    is_rows,
    node_mask,
    pack,
    pad,
    size_of,
    sizes_for,
    smallest,
    stack,
    unpack,
    zero_padding,
)
from mlr_jax.ops.masked import blank_padding


def make(seed: int, num_nodes: int, num_edges: int) -> GraphsTuple:
    rng = np.random.default_rng(seed)
    return from_edges(
        rng.normal(size=(num_nodes, 2)).astype(np.float32),
        rng.integers(0, num_nodes, num_edges), rng.integers(0, num_nodes, num_edges),
        rng.normal(size=(num_edges, 3)).astype(np.float32), rng.normal(size=1).astype(np.float32),
    )  # fmt: skip


GRAPHS = [make(0, 3, 5), make(1, 1, 0), make(2, 4, 7)]
SIZE = Size(12, 16, 6)
PADDED = pad(pack(GRAPHS), SIZE)


def assert_same(first, second):
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_packing_and_unpacking_are_inverse():
    packed = pack(GRAPHS)
    assert size_of(packed) == (8, 12, 3)
    assert {leaf.dtype for leaf in jax.tree.leaves(packed)} == {np.dtype(np.float32), np.dtype(np.int32)}
    for graph, again in zip(GRAPHS, unpack(jax.device_put(packed)), strict=True):
        assert_same(graph, again)
    unpack(packed)
    assert_same(packed, pack(GRAPHS))


def test_padding_follows_the_contract():
    assert_same(jax.tree.map(len, PADDED), GraphsTuple(12, 16, 16, 16, 6, 6, 6))
    np.testing.assert_array_equal(PADDED.n_node, [3, 1, 4, 4, 0, 0])
    np.testing.assert_array_equal(PADDED.n_edge, [5, 0, 7, 4, 0, 0])
    np.testing.assert_array_equal(PADDED.senders[12:], 11)
    np.testing.assert_array_equal(PADDED.receivers[12:], 11)
    for graph, again in zip(GRAPHS, unpack(PADDED)[:3], strict=True):
        assert_same(graph, again)


def test_masks_and_owners_are_those_counted_by_hand():
    masks = jax.jit(lambda graph: (graph_mask(graph), node_mask(graph), edge_mask(graph)))(PADDED)
    assert_same(masks, (np.arange(6) < 3, np.arange(12) < 8, np.arange(16) < 12))
    np.testing.assert_array_equal(graph_of_node(PADDED), np.repeat(np.arange(6), PADDED.n_node))
    np.testing.assert_array_equal(graph_of_edge(PADDED), np.repeat(np.arange(6), PADDED.n_edge))


def test_a_real_graph_without_edges_at_the_end_is_not_taken_for_padding():
    padded = pad(pack([GRAPHS[0], GRAPHS[1]]), Size(5, 8, 3))
    np.testing.assert_array_equal(graph_mask(padded), [True, True, False])
    np.testing.assert_array_equal(node_mask(padded), [True] * 4 + [False])
    np.testing.assert_array_equal(edge_mask(padded), [True] * 5 + [False] * 3)


def test_a_graph_alone_is_whole():
    np.testing.assert_array_equal(graph_mask(GRAPHS[0]), [True])
    assert node_mask(GRAPHS[0]).all()
    assert edge_mask(GRAPHS[0]).all()


@pytest.mark.parametrize("junk", [1e6, np.nan])
def test_padding_is_set_to_zero_whatever_stands_in_it(junk):
    def spoil(leaf, count):
        return np.concatenate([leaf[:count], np.full_like(leaf[count:], junk)])

    spoilt = PADDED._replace(
        nodes=spoil(PADDED.nodes, 8), edges=spoil(PADDED.edges, 12), globals=spoil(PADDED.globals, 3)
    )
    assert_same(jax.jit(zero_padding)(spoilt), PADDED)


def test_rows_are_graphs_padded_each_for_itself_and_flatten_packs_them():
    rows = stack(GRAPHS, nodes=6, edges=8)
    assert is_rows(rows)
    assert not is_rows(PADDED)
    assert_same(jax.tree.map(lambda leaf: leaf[2], rows), pad(GRAPHS[2], Size(6, 8, 2)))
    assert_same(jax.jit(flatten)(rows), pad(pack(GRAPHS), Size(18, 24, 4)))
    np.testing.assert_array_equal(jax.vmap(node_mask)(rows).sum(1), [3, 1, 4])
    np.testing.assert_array_equal(jax.vmap(edge_mask)(rows).sum(1), [5, 0, 7])


def test_rows_without_numbers_are_as_long_as_the_largest_graph_needs():
    rows = stack(GRAPHS)
    assert rows.nodes.shape == (3, 5, 2)
    assert rows.senders.shape == (3, 7)


def test_a_blank_row_is_a_graph_without_nodes():
    rows = blank_padding(stack(GRAPHS), jnp.array([1.0, 0.0, 1.0]))
    packed = flatten(rows)
    np.testing.assert_array_equal(packed.n_node, [3, 0, 4, 8])
    assert_same(packed._replace(globals=None), pad(pack([GRAPHS[0], GRAPHS[2]]), Size(15, 21, 3))._replace(
        globals=None, n_node=packed.n_node, n_edge=np.array([5, 0, 7, 9])
    ))  # fmt: skip
    assert not jax.vmap(node_mask)(rows)[1].any()


def test_rows_without_features_of_edges_and_graphs():
    bare = [graph._replace(edges=None, globals=None) for graph in GRAPHS]
    assert_same(flatten(stack(bare)), pad(pack(bare), Size(15, 21, 4)))
    assert zero_padding(pad(pack(bare), SIZE)).edges is None


@pytest.mark.parametrize("self_loops", [True, False])
def test_fully_connected(self_loops):
    graph = fully_connected(np.ones((3, 2), np.float32), self_loops)
    adjacency = np.zeros((3, 3))
    np.add.at(adjacency, (graph.receivers, graph.senders), 1)
    np.testing.assert_array_equal(adjacency, np.ones((3, 3)) - (not self_loops) * np.eye(3))
    assert fully_connected(np.ones((1, 2)), self_loops).n_edge[0] == self_loops


@pytest.mark.parametrize("num_sizes", [1, 2, 3])
def test_declared_sizes_ascend_and_the_last_holds_the_worst_batch(num_sizes):
    graphs = [make(seed, 1 + seed % 7, 3 * (seed % 5)) for seed in range(30)]
    sizes = sizes_for(graphs, 8, num_sizes)
    assert 1 <= len(sizes) <= num_sizes
    assert list(sizes) == sorted(sizes)
    worst = pack(sorted(graphs, key=lambda graph: -graph.n_node[0])[:4] * 2)
    assert pad(worst, smallest(sizes, worst)).nodes.shape[0] <= sizes[-1].nodes
    most_edges = pack(sorted(graphs, key=lambda graph: -graph.n_edge[0])[:4] * 2)
    smallest(sizes, most_edges)
    assert smallest(sizes, graphs[1]) == sizes[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: from_edges(np.ones(3), [0], [1]), r"nodes: got shape \(3,\)"),
        (lambda: from_edges(np.ones((3, 1)), [0], [3]), "receivers: got node 3 at edge 0, the graph has 3 nodes"),
        (lambda: from_edges(np.ones((3, 1)), [0, -1], [1, 1]), "senders: got node -1 at edge 1"),
        (lambda: from_edges(np.ones((3, 1)), [0, 1], [1]), "receivers: got .* wanted integers of shape"),
        (lambda: from_edges(np.ones((3, 1)), [0.5], [1]), "senders: got float64"),
        (lambda: from_edges(np.ones((3, 1)), [0], [1], np.ones((2, 1))), r"edges: got shape \(2, 1\)"),
        (lambda: pack([]), "graphs: got none"),
        (lambda: pack([GRAPHS[0], GRAPHS[1]._replace(nodes=np.ones((1, 5)))]), "nodes must have features of one shape"),
        (lambda: pack([GRAPHS[0], GRAPHS[1]._replace(edges=None)]), "edges must have features of one shape"),
        (lambda: pad(pack(GRAPHS), Size(8, 16, 4)), r"at least \(9, 12, 4\) is needed"),
        (lambda: stack([pack(GRAPHS)]), "each a single graph"),
        (lambda: stack(GRAPHS, nodes=4), "size: got"),
        (lambda: smallest([SIZE], pack(GRAPHS * 2)), "fits into none"),
        (lambda: sizes_for([], 4), "got 0 graphs"),
    ],
)
def test_what_does_not_fit_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
