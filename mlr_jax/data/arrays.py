"""Data sets that fit in memory: dictionaries of numpy arrays whose leading axis counts the rows.

Batches are drawn by position: step k takes positions k B to (k + 1) B of the infinite concatenation of epochs, where
epoch e is the e-th permutation of the rows. So any step can be reached without playing the steps before it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mlr_jax.core.types import Batch, Source

Arrays = dict[str, np.ndarray]
"""Arrays by name, all with the same leading length; supervised sets use `"x"` and `"y"`."""


class Dataset(NamedTuple):
    """A classification set: `x` float32 [N, H, W, C] in [0, 1] and `y` int32 [N], an index into `class_names`."""

    train: Arrays
    test: Arrays
    class_names: tuple[str, ...]


def from_arrays(arrays: Arrays, batch_size: int, *, seed: int, shuffle: bool = True) -> Source:
    """Batches of `batch_size` rows, every row once an epoch; a batch may straddle the border of two epochs.

    `stream(k)` starts at step k in O(N) time. `evaluation()` is as `evaluation_batches`.

    Raises ValueError where `check_arrays`, `check_batch_size` or `check_seed` does.
    """
    check_arrays(arrays)
    num_rows = _num_rows(arrays)
    check_batch_size(batch_size, num_rows)
    check_seed(seed)

    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng((seed, epoch)).permutation(num_rows) if shuffle else np.arange(num_rows)

    def stream(step: int) -> Iterator[Batch]:
        epoch, start = divmod(step * batch_size, num_rows)
        rows = order(epoch)[start:]
        while True:
            if len(rows) < batch_size:
                epoch += 1
                rows = np.concatenate([rows, order(epoch)])
            yield {name: array[rows[:batch_size]] for name, array in arrays.items()}
            rows = rows[batch_size:]

    return Source(stream, lambda: evaluation_batches(arrays, batch_size))


def evaluation_batches(arrays: Arrays, batch_size: int) -> Iterator[Batch]:
    """Every row once, in order, in batches of one shape: the last is padded with rows of zeros.

    Each batch holds the arrays, [B, ...], and `"mask"` [B] float32, 1 for a row and 0 for padding.

    Raises ValueError if the arrays differ in length, are empty or already hold `"mask"`, or if `batch_size` < 1.
    """
    num_rows = _num_rows(arrays)
    check_batch_size(batch_size)
    if "mask" in arrays:
        raise ValueError('data["mask"]: this name is reserved for the padding mask; rename the array')
    masked = {**arrays, "mask": np.ones(num_rows, np.float32)}

    def batch(start: int) -> Batch:
        return {name: pad_rows(array[start : start + batch_size], batch_size) for name, array in masked.items()}

    return map(batch, range(0, num_rows, batch_size))


def pad_rows(array: np.ndarray, num_rows: int) -> np.ndarray:
    """`array` [n, ...] with rows of zeros appended up to `num_rows`; unchanged if n is `num_rows`."""
    padding = num_rows - len(array)
    return np.pad(array, [(0, padding)] + [(0, 0)] * (array.ndim - 1)) if padding else array


def check_arrays(arrays: Arrays, *, num_classes: int | None = None, name: str = "data") -> None:
    """Raise ValueError unless all arrays have one positive length and finite values.

    With `num_classes`, the labels `arrays["y"]` must also be integers in [0, num_classes).
    """
    _num_rows(arrays, name)
    for key, array in arrays.items():
        _check_finite(array, f'{name}["{key}"]')
    if num_classes is not None:
        if "y" not in arrays:
            raise ValueError(f'{name}: no labels "y" among {sorted(arrays)}')
        _check_labels(arrays["y"], num_classes, f'{name}["y"]')


def count_classes(labels: np.ndarray, name: str) -> int:
    """K, where the labels are 0 .. K - 1 and none of them is without a row: a stray 255 must not make 256 classes.

    Raises ValueError, with the greatest label's row, where a class has none.
    """
    classes = np.unique(labels[labels >= 0])
    gaps = np.flatnonzero(classes != np.arange(len(classes)))
    if gaps.size:
        greatest = int(labels.argmax())
        raise ValueError(
            f"{name}: labels must be 0 .. K - 1, each with a row; got {labels[greatest]} in row {greatest}, "
            f"but none is {gaps[0]}"
        )
    return len(classes)


def check_batch_size(batch_size: int, num_rows: int | None = None) -> None:
    """Raise ValueError unless `batch_size` is positive and, where `num_rows` is given, no larger than it."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if num_rows is not None and batch_size > num_rows:
        raise ValueError(f"batch_size must be at most the number of rows, {num_rows}, got {batch_size}")


def check_seed(seed: int) -> None:
    """Raise ValueError unless `seed` is in [0, 2**32), the range that numpy and grain share."""
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be in [0, 2**32), got {seed}")


def stratified_split(labels: np.ndarray, fraction_or_count: float | int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split the rows into a part to keep and a part to hold out, each with the class proportions of the whole.

    Args:
        labels: [N], the class of each row.
        fraction_or_count: size of the held-out part: a float in (0, 1) is a fraction of N, an int in [1, N) a count.
            It is met exactly: classes are rounded by largest remainder, so each is within one row of its share.
        seed: the same seed always gives the same split.

    Returns:
        The rows kept and the rows held out: disjoint, complete, each in increasing order.

    Raises:
        ValueError: `labels` is not [N], or `fraction_or_count` leaves one part empty.
    """
    check_seed(seed)
    if labels.ndim != 1:
        raise ValueError(f"labels must have shape [N], got {list(labels.shape)}")
    num_held_out = _held_out_count(fraction_or_count, len(labels))
    classes, class_of_row = np.unique(labels, return_inverse=True)
    held_out = np.zeros(len(labels), bool)
    rng = np.random.default_rng(seed)
    for index, count in enumerate(_apportion(np.bincount(class_of_row, minlength=len(classes)), num_held_out)):
        held_out[rng.permutation(np.flatnonzero(class_of_row == index))[:count]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _held_out_count(fraction_or_count: float | int, num_rows: int) -> int:
    is_fraction = isinstance(fraction_or_count, float)
    count = round(fraction_or_count * num_rows) if is_fraction else int(fraction_or_count)
    if not 0 < count < num_rows:
        raise ValueError(
            f"fraction_or_count must leave both parts of {num_rows} rows non-empty: a float in (0, 1) or an int "
            f"in [1, {num_rows}), got {fraction_or_count}"
        )
    return count


def _apportion(class_counts: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers that sum to `total` and are proportional to `class_counts` (largest remainder, Hamilton 1792)."""
    whole, remainder = np.divmod(class_counts * total, class_counts.sum())
    largest = np.argsort(-remainder, kind="stable")[: total - whole.sum()]
    whole[largest] += 1
    return whole


def _num_rows(arrays: Arrays, name: str = "data") -> int:
    lengths = {key: len(array) if array.ndim else 0 for key, array in arrays.items()}
    if not lengths or 0 in lengths.values():
        raise ValueError(f"{name} must hold at least one array, each with at least one row, got lengths {lengths}")
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{name}: arrays must have equal leading lengths, got {lengths}")
    return next(iter(lengths.values()))


def _check_finite(array: np.ndarray, name: str) -> None:
    if not np.issubdtype(array.dtype, np.inexact):
        return
    finite = np.isfinite(array)
    if not finite.all():
        first = np.argwhere(~finite)[0][0]
        raise ValueError(f"{name}: {np.sum(~finite)} values are NaN or infinite, the first in row {first}")


def _check_labels(labels: np.ndarray, num_classes: int, name: str) -> None:
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{name} must be integers of shape [N], got {labels.dtype} of shape {list(labels.shape)}, "
            f"the first is {labels[0]} in row 0"
        )
    wrong = (labels < 0) | (labels >= num_classes)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"{name} must be in [0, {num_classes}), got {labels[row]} in row {row}")
