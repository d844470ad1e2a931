"""Masked evaluation: every row counts once, and the result does not depend on how rows were batched."""

from collections.abc import Callable, Iterable, Mapping

import jax
import numpy as np

from mlr_jax.core.types import Batch, Metrics, State


def evaluate(
    evaluate_batch: Callable[[State, Batch], Metrics], state: State, batches: Iterable[Batch]
) -> dict[str, np.ndarray]:
    """Mean of each metric over all real rows: [] for a single run, [M] for a sweep; float64.

    evaluate_batch: a (compiled) `Learner.evaluate`, whose metrics are [B] or [M, B]. Values of single rows are gathered
    and averaged once, in 64 bits: a mean of batch means would weigh the rows of a short last batch more. A metric named
    "weight" is no result, but how much each row counts, such as the number of its tokens. A batch without a mask, such
    as the keys of an agent's episodes, has real rows only.

    Raises ValueError where there is no real row.
    """
    columns: dict[str, list[np.ndarray]] = {}
    for batch in batches:
        real = np.asarray(batch["mask"]) > 0 if isinstance(batch, Mapping) and "mask" in batch else slice(None)
        for name, values in jax.device_get(evaluate_batch(state, batch)).items():
            columns.setdefault(name, []).append(values[..., real])
    rows = {name: np.concatenate(parts, axis=-1) for name, parts in columns.items()}
    if not rows or any(values.shape[-1] == 0 for values in rows.values()):
        raise ValueError("evaluate: got no row whose mask is 1, at least one is needed")
    weight = rows.pop("weight", None)
    return {name: np.average(values.astype(np.float64), axis=-1, weights=weight) for name, values in rows.items()}
