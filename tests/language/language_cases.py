"""Language models for the laws."""

from collections.abc import Callable
from typing import Any

import numpy as np
from learner_case import Case, Wrap

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.types import Learner, Task
from mlr_jax.language.causal_lm import Hypers, causal_lm
from mlr_jax.language.masked_lm import Words, masked_lm
from mlr_jax.language.recurrent_lm import recurrent_lm
from mlr_jax.language.streams import streams
from mlr_jax.language.windows import random_windows
from mlr_jax.nn.bert import BERT, MaskedLM
from mlr_jax.nn.gpt import GPT
from mlr_jax.nn.recurrent_lm import RecurrentLM

V, T, B = 7, 6, 16
TEXT = np.random.default_rng(0).integers(V, size=300).astype(np.int32)


def windows(step: int) -> dict[str, np.ndarray]:
    """Pieces of a text."""
    starts = np.random.default_rng((3, step)).integers(len(TEXT) - T, size=B)
    rows = TEXT[starts[:, None] + np.arange(T + 1)]
    return {"x": rows[:, :-1], "y": rows[:, 1:]}


def learner(task: Task) -> Callable[[Wrap], Learner]:
    """A learner of it, wrapped."""
    return lambda wrap: wrap(gradient_learner(task, adamw()))


gpt = causal_lm(GPT(V, T, depth=1, heads=2, width=8))
lstm = recurrent_lm(RecurrentLM(V, "lstm", depth=1, width=8, embedded=4), B)
bert = masked_lm(MaskedLM(BERT(V + 1, T, depth=1, heads=2, width=8)), Words(V, 0, V), share=0.4)
BOTH: dict[str, Any] = {"hypers": Hypers(1e-2), "other_hypers": Hypers(3e-3, 0.0, 0.1), "tolerance": 1e-3}
WHOLE_TEXT: dict[str, Any] = {"batch": lambda step: TEXT, "resident": True, "padded": False, "rows": windows(0)}

CASES: dict[str, Case] = {
    "gpt of windows": Case(lambda wrap: random_windows(learner(gpt)(wrap), B, T), **WHOLE_TEXT, **BOTH),
    "recurrent lm of streams": Case(lambda wrap: streams(learner(lstm)(wrap), B, T), **WHOLE_TEXT, **BOTH),
    "masked lm": Case(learner(bert), windows, **BOTH, row_keys=True),
}
