"""Sequences of tokens of different lengths in batches of few shapes: rows of one batch are of similar length."""

from collections.abc import Iterator, Sequence

import numpy as np

from mlr_jax.core.types import Batch, Source
from mlr_jax.data.arrays import Arrays, check_batch_size, check_seed, evaluation_batches


def padded(rows: Sequence[np.ndarray], length: int) -> Arrays:
    """`"x"` [N, length] int32, the rows cut or filled up with 0, and `"token_mask"`, float32, 0 where filled up."""
    x, mask = np.zeros((len(rows), length), np.int32), np.zeros((len(rows), length), np.float32)
    for index, row in enumerate(rows):
        x[index, : len(row)] = row[:length]
        mask[index, : len(row)] = 1.0
    return {"x": x, "token_mask": mask}


def by_length(
    rows: Sequence[np.ndarray], y: np.ndarray, batch_size: int, lengths: Sequence[int], *, chunk: int, seed: int
) -> Source:
    """Batches `{"x": [B, L], "token_mask": [B, L], "y": [B]}` whose L is one of a few `lengths`.

    A row belongs to the first of the lengths that holds it, or, cut short, to the last. The batches of steps
    n chunk ... (n + 1) chunk - 1 have one length, which is the length that is furthest behind its share of the rows:
    so all rows are seen equally often, to within a chunk. The rows of a length come in a new order for each of its
    epochs. Batch k is a function of (`seed`, k) alone. `evaluation()`: every row once, padded to the greatest length.

    Raises ValueError for lengths that do not rise, for rows that are empty, and for a batch size or chunk below 1.
    """
    check_batch_size(batch_size)
    check_seed(seed)
    lengths = list(lengths)
    if chunk < 1 or not lengths or lengths != sorted(set(lengths)) or lengths[0] < 1:
        raise ValueError(f"lengths, chunk: got {lengths}, {chunk}; lengths must rise and all must be at least 1")
    sizes = np.array([len(row) for row in rows])
    if len(rows) == 0 or len(rows) != len(y) or sizes.min() == 0:
        raise ValueError(f"rows: got {len(rows)} for {len(y)} labels; as many are needed, none of them empty")
    kind = np.minimum(np.searchsorted(lengths, sizes), len(lengths) - 1)
    members = {int(index): np.flatnonzero(kind == index) for index in np.unique(kind)}
    groups = {
        index: {**padded([rows[int(i)] for i in of], lengths[index]), "y": y[of]} for index, of in members.items()
    }
    shares = {index: len(of) / len(rows) for index, of in members.items()}

    def kinds() -> Iterator[tuple[int, int]]:
        """The length of each chunk, by its number, and how many chunks of that length came before."""
        taken = dict.fromkeys(shares, 0)
        while True:
            behind = {index: (taken[index] + 0.5) / share for index, share in shares.items()}
            index = min(behind, key=lambda index: (behind[index], index))
            yield index, taken[index]
            taken[index] += 1

    def stream(step: int) -> Iterator[Batch]:
        for number, (index, before) in enumerate(kinds()):
            first = max(step - number * chunk, 0)
            for place in range(before * chunk + first, (before + 1) * chunk):
                chosen = _drawn(len(members[index]), place * batch_size, batch_size, (seed, index))
                yield {name: array[chosen] for name, array in groups[index].items()}

    arrays = {**padded(rows, lengths[-1]), "y": y}
    return Source(stream, lambda: evaluation_batches(arrays, batch_size))


def _drawn(num_rows: int, position: int, count: int, seed: tuple[int, ...]) -> np.ndarray:
    """Positions [position, position + count) of the permutations of the rows, one epoch after another."""
    epochs = range(position // num_rows, (position + count - 1) // num_rows + 1)
    order = np.concatenate([np.random.default_rng((*seed, epoch)).permutation(num_rows) for epoch in epochs])
    return order[position - epochs[0] * num_rows :][:count]
