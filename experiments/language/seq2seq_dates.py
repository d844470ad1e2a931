"""Dates as people write them to ISO 8601: "Thu, 26th of November 2026" becomes 2026-11-26.

    python experiments/language/seq2seq_dates.py
    python experiments/language/seq2seq_dates.py --model transformer

Dates are made on the fly, in 18 styles, from nine tenths of the days of a hundred years; the rest are for the test. The
report shows where the model looked for each character that it wrote. Expected: each of the 3,652 test days exactly
right, by both networks, within a minute on 2 cores.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.schedules import warmup_cosine
from mlr_jax.core.types import State
from mlr_jax.data.dates import (
    END,
    SOURCE_CHARACTERS,
    SOURCE_LENGTH,
    START,
    TARGET_CHARACTERS,
    TARGET_LENGTH,
    dates,
    decode,
    pairs,
    source_text,
    split_days,
)
from mlr_jax.experiment.image_classifier import naming
from mlr_jax.experiment.main import main
from mlr_jax.experiment.run import Experiment
from mlr_jax.experiment.settings import Settings
from mlr_jax.language.seq2seq import Hypers, seq2seq, shifted, translate
from mlr_jax.nn import encoder_decoder
from mlr_jax.nn import seq2seq as recurrent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EVALUATION_ROWS = 512
SHOWN = 6
ENDED = "."
"""What is shown for the end of a target."""


@dataclass(frozen=True)
class Config(Settings):
    """Sequence to sequence on dates."""

    steps: int = 800
    seeds: int = 1
    chunk: int = 25
    eval_every: int = 200
    checkpoint_every: int = 200
    model: Literal["rnn", "transformer"] = "rnn"
    """A recurrent encoder-decoder with additive attention, or a transformer."""
    width: int = 64
    """Units of each recurrent layer, or numbers that stand for a character in the transformer."""
    depth: int = 2
    """Blocks of the transformer's encoder, and of its decoder."""
    heads: int = 4
    """Heads of attention in each."""
    dropout: float = 0.0
    """The part of activations that is dropped."""
    batch_size: int = 128
    """Dates in a batch."""
    test: float = 0.1
    """The part of the days that is not trained on."""
    learning_rate: float = 3e-3
    """The greatest learning rate of the schedule."""
    warmup: int = 100
    """Steps in which the rate rises from 0; it falls by half a cosine after them."""
    weight_decay: float = 0.01
    """Decay of kernels and embeddings, as a part of the learning rate."""
    clip_norm: float = 10.0
    """The greatest norm of a gradient."""
    label_smoothing: float = 0.0
    """The part of the target that is spread over all characters."""


TINY = {
    "steps": 4, "chunk": 2, "eval_every": 4, "checkpoint_every": 4, "seeds": 2, "width": 8, "heads": 2, "depth": 1,
    "batch_size": 8, "test": 0.001,
}  # fmt: skip


def build(config: Config) -> Experiment:
    """The experiment."""
    devices = 1 if config.parallel == "members" else config.devices
    if config.batch_size < 1 or config.batch_size % devices:
        raise ValueError(f"--batch-size: got {config.batch_size}, must be a positive multiple of the {devices} devices")
    train_days, test_days = naming("--test", split_days, config.test, seed=0)
    model = model_of(config)
    schedule = warmup_cosine(config.steps, min(config.warmup, config.steps), 0.01)
    learner = gradient_learner(config.cast(seq2seq(model, start=START)), adamw(schedule, b2=0.98))
    test = dates(test_days, math.ceil(EVALUATION_ROWS / devices) * devices, seed=0)
    return Experiment(
        learner=config.spread(learner),
        source=dates(train_days, config.batch_size, seed=config.seed),
        hypers=Hypers(config.learning_rate, config.weight_decay, config.clip_norm, config.label_smoothing),
        evaluations={"test": test.evaluation},
        items_per_step=config.batch_size,
        unit="dates",
        figures=lambda state: {"alignment": alignment_of(config, model, state, test_days)},
    )


def model_of(config: Config) -> nn.Module:
    """The network."""
    sizes = END + 1 + len(SOURCE_CHARACTERS), END + 1 + len(TARGET_CHARACTERS)
    if config.model == "rnn":
        return recurrent.RecurrentEncoderDecoder(*sizes, config.width, dropout=config.dropout)
    return encoder_decoder.EncoderDecoder(
        *sizes, SOURCE_LENGTH, config.depth, config.heads, config.width, dropout=config.dropout
    )


def alignment_of(config: Config, model: nn.Module, state: State, days: np.ndarray) -> "Figure":
    """Some test dates: what was read, what the first member wrote, and where it looked."""
    from mlr_jax.report.alignment import Alignment, draw_alignments

    variables = {"params": jax.tree.map(lambda leaf: leaf[0], state.params)}
    shown = pairs(days[np.linspace(0, len(days) - 1, SHOWN).astype(int)], np.linspace(0, 15, SHOWN).astype(int))
    x, x_length = jnp.asarray(shown["x"]), jnp.asarray(shown["x_length"])
    written = translate(model, variables, x, x_length, steps=TARGET_LENGTH, start=START, stop=END)
    kind: Any = recurrent if config.model == "rnn" else encoder_decoder
    weights = np.asarray(kind.alignment(model, variables, x, x_length, shifted(jnp.maximum(written, 0), START)))
    texts = [(decode(row) + ENDED)[:TARGET_LENGTH] for row in np.asarray(written)]
    rows = zip(map(source_text, np.asarray(x)), texts, weights, strict=True)
    return draw_alignments([Alignment(read, said, part[: len(said), : len(read)]) for read, said, part in rows])


if __name__ == "__main__":
    main(Config, build, TINY)
