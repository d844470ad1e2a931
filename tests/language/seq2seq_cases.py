"""Learners from one sequence to another for the laws."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from learner_case import Case, Wrap

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import sgd
from mlr_jax.core.types import Learner
from mlr_jax.language.seq2seq import seq2seq
from mlr_jax.nn.encoder_decoder import EncoderDecoder
from mlr_jax.nn.seq2seq import RecurrentEncoderDecoder


class Hypers(NamedTuple):
    """What `sgd` and `seq2seq` read."""

    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 1e-3
    clip_norm: float = 2.0
    label_smoothing: float = 0.1


def learner(network: Any) -> Callable[[Wrap], Learner]:
    """A learner of this network, wrapped."""
    return lambda wrap: wrap(gradient_learner(seq2seq(network, start=0), sgd()))


def copies(step: int, rows: int = 16) -> dict[str, np.ndarray]:
    """Sequences of 1 to 3 of 6 tokens, each its own target."""
    rng = np.random.default_rng((17, step))
    x, length = rng.integers(1, 7, (rows, 3)).astype(np.int32), rng.integers(1, 4, rows).astype(np.int32)
    return {"x": x, "x_length": length, "y": x, "y_length": length}


BOTH = {"hypers": Hypers(), "other_hypers": Hypers(0.01, 0.5, 0.0, 10.0, 0.0), "tolerance": 1e-4}

CASES: dict[str, Case] = {
    "seq2seq recurrent": Case(learner(RecurrentEncoderDecoder(7, 7, 8)), copies, **BOTH),
    "seq2seq transformer": Case(learner(EncoderDecoder(7, 7, 4, depth=1, heads=2, width=8)), copies, **BOTH),
}
