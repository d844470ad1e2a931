from itertools import islice

import jax
import numpy as np
import pytest

from mlr_jax.data.graphs.batches import packed_batches, stream_size
from mlr_jax.ops.graph import Size, from_edges, sizes_for, unpack

RNG = np.random.default_rng(0)
GRAPHS = [
    from_edges(np.full((1 + index % 6, 1), index, np.float32), *RNG.integers(0, 1 + index % 6, (2, index % 9)))
    for index in range(20)
]
Y = np.arange(20, dtype=np.int32)
SIZES = sizes_for(GRAPHS, 6, num_sizes=3)


def take(source, start, count):
    return list(islice(source.stream(start), count))


def numbers(batch):
    """The labels of the real graphs, which must be those that stand in their nodes."""
    real = batch["mask"] > 0
    graphs = unpack(batch["graph"])[: real.sum()]
    assert [graph.nodes[0, 0] for graph in graphs] == batch["y"][real].tolist()
    return batch["y"][real].tolist()


def test_every_graph_comes_once_an_epoch_with_its_label():
    batches = take(packed_batches(GRAPHS, Y, 6, SIZES, seed=3), 0, 10)
    drawn = [number for batch in batches for number in numbers(batch)]
    for epoch in range(3):
        assert sorted(drawn[20 * epoch : 20 * epoch + 20]) == list(range(20))
    assert drawn[:20] != drawn[20:40]


@pytest.mark.parametrize("chunk", [1, 4])
def test_a_stream_entered_at_any_step_goes_on_as_if_it_had_come_from_the_start(chunk):
    source = packed_batches(GRAPHS, Y, 6, SIZES, seed=3, chunk=chunk)
    whole = take(source, 0, 13)
    for start in (1, 4, 7):
        jax.tree.map(np.testing.assert_array_equal, take(source, start, 13 - start), whole[start:])


def test_batches_have_declared_sizes_and_those_of_a_chunk_have_one():
    batches = take(packed_batches(GRAPHS, Y, 6, SIZES, seed=3), 0, 40)
    declared = {(size.nodes, size.edges, size.graphs) for size in SIZES}
    seen = [(len(b["graph"].nodes), len(b["graph"].senders), len(b["y"])) for b in batches]
    assert len(set(seen)) > 1
    assert set(seen) <= declared
    together = take(packed_batches(GRAPHS, Y, 6, SIZES, seed=3, chunk=4), 0, 40)
    alike = [len(batch["graph"].nodes) for batch in together]
    assert all(len(set(alike[start : start + 4])) == 1 for start in range(0, 40, 4))
    assert [numbers(batch) for batch in together] == [numbers(batch) for batch in batches]


def test_evaluation_has_every_graph_once_in_order_and_one_shape():
    batches = list(packed_batches(GRAPHS, Y, 6, SIZES, seed=3).evaluation())
    assert [number for batch in batches for number in numbers(batch)] == list(range(20))
    assert len({len(batch["graph"].nodes) for batch in batches}) == 1
    assert {batch["mask"].sum() for batch in batches} == {6.0, 2.0}


def test_the_size_of_a_stream_holds_each_of_its_batches_and_no_more():
    size = stream_size(GRAPHS, 6, seed=3, steps=25)
    batches = take(packed_batches(GRAPHS, Y, 6, [size], seed=3), 0, 25)
    real = [(graph.n_node[:6].sum(), graph.n_edge[:6].sum()) for graph in (batch["graph"] for batch in batches)]
    assert np.max(real, 0).tolist() == [size.nodes - 1, size.edges]
    assert size.nodes < SIZES[-1].nodes
    assert size.graphs == 7


def test_several_labels_a_graph_are_padded_too():
    batch = next(packed_batches(GRAPHS, np.ones((20, 3), np.float32), 6, SIZES, seed=0).stream(0))
    np.testing.assert_array_equal(batch["y"], np.repeat([[1.0], [0.0]], [6, 1], axis=0) * np.ones((7, 3)))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"y": Y[:3]}, "got 3 labels for 20 graphs"),
        ({"batch_size": 21}, "at most the number of rows, 20"),
        ({"chunk": 0}, "chunk must be at least 1"),
        ({"seed": -1}, "seed must be in"),
        ({"sizes": [Size(4, 4, 7)]}, "fits into none"),
        ({"sizes": []}, "sizes: none"),
    ],
)
def test_what_does_not_fit_is_an_error(keywords, message):
    arguments = {"graphs": GRAPHS, "y": Y, "batch_size": 6, "sizes": SIZES, "seed": 0, **keywords}
    with pytest.raises(ValueError, match=message):
        next(packed_batches(**arguments).stream(0))
