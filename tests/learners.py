"""Every learner of the package, small: the laws hold for each. A new learner joins with one line in `LEARNERS`."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from mlr_jax.core.accumulate import accumulate
from mlr_jax.core.ema import ema
from mlr_jax.core.gradient import gradient_learner, gradient_of
from mlr_jax.core.on_device import on_device
from mlr_jax.core.optimizers import adamw, sgd
from mlr_jax.core.precision import mixed_precision
from mlr_jax.core.schedules import warmup_cosine
from mlr_jax.core.types import Batch, Hypers, Learner
from mlr_jax.data.augment import augment, random_crop, random_flip
from mlr_jax.nn.cnn import CNN
from mlr_jax.nn.mlp import MLP
from mlr_jax.supervised.classification import Hypers as ClassifierHypers
from mlr_jax.supervised.classification import classification

Wrap = Callable[[Learner], Learner]


class Case(NamedTuple):
    """A learner and what the laws need to know of it.

    make:     the learner, with a wrapper around the part of it whose batches have rows (a device wrapper, say)
    batch:    step -> the batch of that step
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


class SgdHypers(NamedTuple):
    """What `sgd` and `classification` read."""

    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 1e-3
    clip_norm: float = 1.0
    label_smoothing: float = 0.1


def image_batch(step: int, rows: int = 16) -> dict[str, np.ndarray]:
    """Four classes of noisy 8x8 images."""
    rng = np.random.default_rng((7, step))
    y = rng.integers(0, 4, rows).astype(np.int32)
    centres = np.random.default_rng(1).normal(size=(4, 8, 8, 1))
    return {"x": (centres[y] + 0.5 * rng.normal(size=(rows, 8, 8, 1))).astype(np.float32), "y": y}


def identity(learner: Learner) -> Learner:
    """No wrapper."""
    return learner


mlp_task = classification(MLP((16,), 4), (8, 8, 1))
dropout_task = classification(MLP((16,), 4, dropout=0.5), (8, 8, 1))
cnn_task = classification(CNN((4, 8), 4, hidden=16), (8, 8, 1))
augmented_task = augment(mlp_task, partial(random_crop, padding=1), random_flip)
accumulated = {"gradient": lambda task: accumulate(gradient_of(task), 2)}


def learner(task: Any, optimizer: Any = sgd, **keywords: Any) -> Callable[[Wrap], Learner]:
    """A gradient learner, wrapped."""
    return lambda wrap: wrap(gradient_learner(task, optimizer(warmup_cosine(20, 2)), **keywords))


ADAM = {"hypers": ClassifierHypers(3e-3, 1e-2), "other_hypers": ClassifierHypers(1e-3, 0.0, 1.0, 0.1)}
SGD = {"hypers": SgdHypers(), "other_hypers": SgdHypers(0.01, 0.5, 0.0, 10.0, 0.0)}
WHOLE_SET = {"batch": lambda step: image_batch(0, 40), "resident": True, "padded": False}

LEARNERS: dict[str, Case] = {
    "mlp": Case(learner(mlp_task), image_batch, **SGD),
    "mlp adamw": Case(learner(mlp_task, adamw), image_batch, **ADAM, tolerance=1e-3),
    "mlp dropout": Case(learner(dropout_task), image_batch, **SGD, row_keys=True),
    "mlp augmented": Case(learner(augmented_task), image_batch, **SGD, row_keys=True),
    "mlp bfloat16": Case(learner(mixed_precision(mlp_task, jnp.bfloat16)), image_batch, **SGD, tolerance=2e-2),
    "mlp accumulate": Case(learner(mlp_task, **accumulated), image_batch, **SGD, any_rows=False),
    "mlp ema": Case(lambda wrap: ema(learner(mlp_task)(wrap), 0.9), image_batch, **SGD),
    "mlp on device": Case(lambda wrap: on_device(learner(mlp_task)(wrap), 16), **WHOLE_SET, **SGD),
    "cnn": Case(learner(cnn_task), image_batch, **SGD, tolerance=1e-4),
    "cnn bfloat16": Case(learner(mixed_precision(cnn_task)), image_batch, **SGD, tolerance=1e-1),
}
