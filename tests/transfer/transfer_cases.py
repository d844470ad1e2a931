"""Learners of this group for the laws."""

from collections.abc import Callable
from typing import NamedTuple

from learner_case import Case, Wrap, image_batch

from mlr_jax.core.gradient import Optimizer, gradient_learner
from mlr_jax.core.optimizers import sgd
from mlr_jax.core.types import Learner, Task
from mlr_jax.nn.cnn import CNN
from mlr_jax.supervised.classification import classification
from mlr_jax.transfer.freeze import discriminative, freeze, gradual
from mlr_jax.transfer.lora import lora


class Hypers(NamedTuple):
    """What `sgd`, `classification` and `gradual` read."""

    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 1e-3
    clip_norm: float = 1.0
    label_smoothing: float = 0.1
    layer_decay: float = 0.5
    thaw_every: int = 2


task = classification(CNN((4,), 4, hidden=8), (8, 8, 1))
thawing = discriminative(sgd(), gradual(["Dense_1/.*", "(Dense_0|BatchNorm_1)/.*"]))
frozen = freeze(task, "(Conv_0|BatchNorm_0)/.*")
adapted = lora(task, "(Conv|Dense)_0/kernel", rank=2, trained=("Dense_1/.*",))


def learner(task: Task, optimizer: Optimizer) -> Callable[[Wrap], Learner]:
    """A gradient learner, wrapped."""
    return lambda wrap: wrap(gradient_learner(task, optimizer))


BOTH = {"hypers": Hypers(), "other_hypers": Hypers(0.01, 0.5, 0.0, 10.0, 0.0, 1.0, 0), "tolerance": 1e-4}

CASES: dict[str, Case] = {
    "frozen and thawing": Case(learner(frozen, thawing), image_batch, **BOTH),
    "lora": Case(learner(adapted, sgd()), image_batch, **BOTH),
}
