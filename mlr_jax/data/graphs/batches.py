"""Batches of graphs from the host: packed side by side, padded to one of a few declared sizes."""

from collections.abc import Iterator, Sequence

import numpy as np

from mlr_jax.core.types import Batch, Source
from mlr_jax.data.arrays import from_arrays
from mlr_jax.ops.graph import GraphsTuple, Size, pack, pad, size_of, smallest


def packed_batches(
    graphs: Sequence[GraphsTuple], y: np.ndarray, batch_size: int, sizes: Sequence[Size], *, seed: int, chunk: int = 1
) -> Source:
    """Batches of `batch_size` graphs: {"graph": packed, "y" [G, ...], "mask" [G]}, G counting the padding graphs.

    Every graph once an epoch, in an order that `stream(k)` enters at step k. A batch is padded to the smallest of
    `sizes` (see `sizes_for`) that holds it, so that no more programs are compiled than there are sizes; with `chunk`,
    steps k chunk to (k + 1) chunk - 1 are padded alike, as one compiled loop over them needs it. Where all steps must
    be padded alike, declare the one size of `stream_size`. `evaluation()` has a size of its own, that of its largest
    batch.

    Raises ValueError for labels that are not one for each graph, for a batch size, chunk or seed that makes no sense,
    for no sizes, and, when such a batch comes, for graphs that none of them holds.
    """
    if len(y) != len(graphs):
        raise ValueError(f"y: got {len(y)} labels for {len(graphs)} graphs, one for each is wanted")
    if not sizes:
        raise ValueError("sizes: none are declared, at least one is needed")
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk}")
    order = _order(len(graphs), batch_size, seed)

    def batch(rows: np.ndarray, size: Size) -> Batch:
        labels = np.zeros((size.graphs, *y.shape[1:]), y.dtype)
        labels[: len(rows)] = y[rows]
        mask = (np.arange(size.graphs) < len(rows)).astype(np.float32)
        return {"graph": pad(pack([graphs[row] for row in rows]), size), "y": labels, "mask": mask}

    def stream(step: int) -> Iterator[Batch]:
        first = step - step % chunk
        rows = order.stream(first)
        while True:
            together = [next(rows)["row"] for _ in range(chunk)]
            size = max(smallest(sizes, pack([graphs[row] for row in chosen])) for chosen in together)
            for chosen in together[step - first :]:
                yield batch(chosen, size)
            step = first = first + chunk

    def evaluation() -> Iterator[Batch]:
        starts = range(0, len(graphs), batch_size)
        size = _largest(np.add.reduceat(_counts(graphs), list(starts), axis=0), batch_size)
        return (batch(np.arange(start, min(start + batch_size, len(graphs))), size) for start in starts)

    return Source(stream, evaluation)


def stream_size(graphs: Sequence[GraphsTuple], batch_size: int, *, seed: int, steps: int) -> Size:
    """The one size that holds each of the first `steps` batches of `packed_batches` with this seed, and no more.

    It is far below that of the worst batch there could be: of many graphs together, sums vary little. Raises
    ValueError as `packed_batches` does.
    """
    counts = _counts(graphs)
    rows = _order(len(graphs), batch_size, seed).stream(0)
    return _largest(np.array([counts[next(rows)["row"]].sum(0) for _ in range(steps)]), batch_size)


def _order(num_graphs: int, batch_size: int, seed: int) -> Source:
    return from_arrays({"row": np.arange(num_graphs)}, batch_size, seed=seed)


def _counts(graphs: Sequence[GraphsTuple]) -> np.ndarray:
    """Nodes and edges of each graph, [G, 2]."""
    return np.array([size_of(graph)[:2] for graph in graphs])


def _largest(totals: np.ndarray, batch_size: int) -> Size:
    """The size that holds batches of these nodes and edges [B, 2]; one of no edges is padded to have one."""
    nodes, edges = totals.max(0)
    return Size(int(nodes) + 1, max(int(edges), 1), batch_size + 1)
