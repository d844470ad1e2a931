"""Learners of texts with a class each, for the laws."""

from typing import Any

import numpy as np
from learner_case import Case, Wrap

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import sgd
from mlr_jax.core.side_by_side import side_by_side
from mlr_jax.core.types import Learner
from mlr_jax.data.sequences import padded
from mlr_jax.language.sequence_classification import TextClassifier, sequence_classification
from mlr_jax.nn.bert import BERT
from mlr_jax.supervised.classification import SgdHypers
from mlr_jax.transfer.lora import lora

task = sequence_classification(TextClassifier(BERT(12, 6, depth=1, heads=2, width=8), 3))
ways = {"full": task, "lora": lora(task, "encoder/layers/.*/kernel", rank=2, trained=("head/.*",))}


def text_batch(step: int, rows: int = 16) -> dict[str, np.ndarray]:
    """Texts of 1 to 6 words, whose class is their greatest word's."""
    rng = np.random.default_rng((5, step))
    texts = [rng.integers(12, size=size) for size in rng.integers(1, 7, rows)]
    return {**padded(texts, 6), "y": np.array([text.max() % 3 for text in texts], np.int32)}


def learner(wrap: Wrap) -> Learner:
    """All weights and low-rank changes of them, wrapped."""
    return side_by_side({name: wrap(gradient_learner(way, sgd())) for name, way in ways.items()}, slower)


def slower(name: str, hypers: Any) -> Any:
    """LoRA at half the rate."""
    return hypers if name == "full" else hypers._replace(learning_rate=0.5 * hypers.learning_rate)


CASES: dict[str, Case] = {
    "text classifiers side by side": Case(
        learner, text_batch, hypers=SgdHypers(0.05, 1e-3, 1.0, 0.1), other_hypers=SgdHypers(0.01, 0.0, 10.0, 0.0, 0.5),
        traces=1, tolerance=1e-4,
    )
}  # fmt: skip
