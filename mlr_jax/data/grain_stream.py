"""Batches of rows that are read as they are needed, by grain: in threads of this process or in others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mlr_jax.core.types import Batch, Source
from mlr_jax.data.arrays import check_batch_size, check_seed, pad_rows

Example = Mapping[str, np.ndarray]
"""One row by name: `"x"` and `"y"` of images, and whatever a transform adds."""

Vary = Callable[[Example, np.random.Generator], Example]
"""A random change of a row."""

_READ_THREADS = 4


def stream_rows(
    rows: Sequence[Any],
    batch_size: int,
    *,
    seed: int,
    read: Callable[[Any], Example],
    transform: Callable[[Example], Example] | None = None,
    vary: Vary | None = None,
    num_workers: int = 0,
) -> Source:
    """Batches of `vary(read(row))` to train on, or of `transform(read(row))` without it, and of the latter to evaluate.

    Every row comes once an epoch, in an order of its own for each epoch; step k is reached without reading the steps
    before it. The batches do not depend on `num_workers`.

    Args:
        rows: with random access.
        batch_size: rows a batch, at most as many as there are.
        seed: of the order of the rows and of how they vary.
        read: row -> example; like the following two it must be picklable if there are workers.
        transform: applied to each row.
        vary: the same in training, with a generator of its own for each row of each epoch.
        num_workers: processes that read and transform; 0 reads in threads of this process.

    Raises:
        ValueError: `batch_size`, `seed` or `num_workers` is out of range.
    """
    import grain

    check_seed(seed)
    if num_workers < 0:
        raise ValueError(f"num_workers must be at least 0, got {num_workers}")
    check_batch_size(batch_size, len(rows))
    examples = grain.MapDataset.source(rows).map(read)
    fixed = examples if transform is None else examples.map(transform)
    shuffled = (fixed if vary is None else examples).shuffle(seed=seed).repeat()
    varied = shuffled if vary is None else shuffled.random_map(vary, seed=seed)
    # Batched here, before threads or processes share the work, so that neither can change what a batch holds.
    training = varied.batch(batch_size, batch_fn=stack)
    in_order = fixed.batch(batch_size, batch_fn=stack)

    def evaluation() -> Iterator[Batch]:
        for batch in _read(in_order, num_workers):
            mask = np.ones(len(batch["y"]), np.float32)
            yield {key: pad_rows(array, batch_size) for key, array in {**batch, "mask": mask}.items()}

    return Source(lambda step: _read(training[step:], num_workers), evaluation)


def stack(rows: Sequence[Example]) -> dict[str, np.ndarray]:
    """Rows as one batch. Raises ValueError where they differ in shape."""
    for row in rows:
        for key, array in row.items():
            if np.shape(array) != np.shape(rows[0][key]):
                raise ValueError(
                    f'"{key}" must have one shape in all rows, got {list(np.shape(rows[0][key]))} and '
                    f"{list(np.shape(array))}; use stream with a transform that resizes"
                )
    return {key: np.stack([row[key] for row in rows]) for key in rows[0]}


def _read(batches: Any, num_workers: int) -> Iterator[Batch]:
    """Iterate over a grain MapDataset with a few batches in flight."""
    import grain

    options = grain.ReadOptions(num_threads=_READ_THREADS, prefetch_buffer_size=2 * _READ_THREADS)
    iterated = batches.to_iter_dataset(options)
    if num_workers == 0:
        return iter(iterated)
    from absl import flags

    # grain hands the flags of absl to its workers and refuses to while nobody has parsed them.
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    return iter(iterated.mp_prefetch(grain.MultiprocessingOptions(num_workers=num_workers)).map(_copy))


def _copy(batch: Batch) -> Batch:
    # Workers hand over shared memory, which must not be aliased by a device array that outlives it.
    return {key: np.array(array) for key, array in batch.items()}
