"""Texts of different lengths packed into rows of one length, with next to nothing of a row left empty.

A text of n + 1 tokens is n inputs and, one place on, n targets. Texts that share a row are told apart by `segments`,
and `positions` begin anew with each: a model that heeds both gives every text the logits that it has alone.
"""

from collections.abc import Sequence

import numpy as np

from mlr_jax.core.types import Source
from mlr_jax.data.arrays import Arrays, check_seed, from_arrays

PADDING = 0
"""The segment of what no text fills; texts are segments 1, 2, ... of their row."""


def pack(texts: Sequence[np.ndarray], length: int) -> Arrays:
    """Rows of `length` tokens, each text in the first row with room for it, a longer one cut into pieces that fit.

    Returns x, y, positions, segments [N, L] int32 and token_mask [N, L] float32, 0 where no text is: what
    `language/causal_lm.py: causal_lm` reads. Each pair of a token and the next one of its text occurs exactly once.

    Raises ValueError for a length below 1 and where no text has two tokens.
    """
    if length < 1:
        raise ValueError(f"length: got {length}, must be at least 1")
    pieces = [text[at : at + length + 1] for text in texts for at in range(0, len(text) - 1, length)]
    if not pieces:
        raise ValueError(f"texts: got {len(texts)}, none of them with two tokens or more")
    row, begin = first_fit([len(piece) - 1 for piece in pieces], length)
    names = ("x", "y", "positions", "segments")
    arrays = {name: np.zeros((row.max() + 1, length), np.int32) for name in names}
    for piece, i, first in zip(pieces, row, begin, strict=True):
        place = slice(first, first + len(piece) - 1)
        arrays["x"][i, place], arrays["y"][i, place] = piece[:-1], piece[1:]
        arrays["positions"][i, place] = np.arange(len(piece) - 1)
        arrays["segments"][i, place] = 1 + (arrays["segments"][i, first - 1] if first else PADDING)
    return {**arrays, "token_mask": (arrays["segments"] != PADDING).astype(np.float32)}


def first_fit(sizes: Sequence[int], length: int) -> tuple[np.ndarray, np.ndarray]:
    """For each size in turn the first row of `length` with room for it, and where in the row it begins: int [N] each.

    At most 1.7 times as many rows as there must be (Dosa & Sgall, 2013). A row is found by descending a tree of the
    greatest room below each node, in log N steps. Raises ValueError for a size outside of 1 to `length`.
    """
    leaves = 1 << max(len(sizes) - 1, 0).bit_length()
    room = [length] * (2 * leaves)  # node i has the children 2 i and 2 i + 1; leaf j is a row, empty at first
    row, begin = np.zeros(len(sizes), int), np.zeros(len(sizes), int)
    for index, size in enumerate(sizes):
        if not 1 <= size <= length:
            raise ValueError(f"sizes: got {size}, allowed are 1 to the length {length}")
        node = 1
        while node < leaves:
            node = 2 * node if room[2 * node] >= size else 2 * node + 1
        row[index], begin[index] = node - leaves, length - room[node]
        room[node] -= size
        while node > 1:
            node //= 2
            room[node] = max(room[2 * node], room[2 * node + 1])
    return row, begin


def packed(texts: Sequence[np.ndarray], batch_size: int, length: int, *, seed: int) -> Source:
    """Batches of packed rows, as `pack` makes them of the texts in random order; every row once an epoch.

    Batch k is a function of (`seed`, k) alone. `evaluation()`: every row once. Raises ValueError as `pack` does, and
    for a batch size outside of 1 to the number of rows.
    """
    check_seed(seed)
    order = np.random.default_rng(seed).permutation(len(texts))
    return from_arrays(pack([texts[index] for index in order], length), batch_size, seed=seed)
