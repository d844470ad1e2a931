"""What the laws need to know of a learner, and a small batch of images to try one on."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mlr_jax.core.types import Batch, Hypers, Learner

Wrap = Callable[[Learner], Learner]


class Case(NamedTuple):
    """A learner and what the laws need to know of it.

    make:     the learner, with a wrapper around the part of it whose batches have rows (a device wrapper, say)
    batch:    step -> the batch of that step
    rows:     what `evaluate` is given; the first batch where it is None
    hypers, other_hypers: two settings
    resident: every step is given the same batch
    padded:   batches have rows that a mask can blank
    row_keys: the step draws random numbers for each row, so that rows on another device draw others
    any_rows: batches may have any number of rows
    traces:   how often a step is traced for any number of hyper-parameter values
    tolerance: of comparisons between two programs that compute the same
    """

    make: Callable[[Wrap], Learner]
    batch: Callable[[int], Batch]
    hypers: Hypers
    other_hypers: Hypers
    resident: bool = False
    padded: bool = True
    row_keys: bool = False
    any_rows: bool = True
    traces: int = 1
    tolerance: float = 2e-5
    rows: Batch | None = None

    @property
    def evaluated(self) -> Batch:
        """What `evaluate` is given."""
        return self.batch(0) if self.rows is None else self.rows


def image_batch(step: int, rows: int = 16) -> dict[str, np.ndarray]:
    """Four classes of noisy 8x8 images."""
    rng = np.random.default_rng((7, step))
    y = rng.integers(0, 4, rows).astype(np.int32)
    centres = np.random.default_rng(1).normal(size=(4, 8, 8, 1))
    return {"x": (centres[y] + 0.5 * rng.normal(size=(rows, 8, 8, 1))).astype(np.float32), "y": y}


def identity(learner: Learner) -> Learner:
    """No wrapper."""
    return learner
