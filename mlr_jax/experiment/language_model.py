"""What every experiment with a language model of characters shares: its flags, its text, what it writes."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.schedules import warmup_cosine
from mlr_jax.core.types import Resident, State
from mlr_jax.data.text import Text, decode, encode, evaluation_windows, load_text
from mlr_jax.experiment.image_classifier import naming
from mlr_jax.experiment.run import Experiment
from mlr_jax.experiment.settings import Settings
from mlr_jax.language.causal_lm import Hypers, causal_lm
from mlr_jax.language.decode import Sampling, generate_long
from mlr_jax.language.windows import random_windows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EVALUATION_TOKENS = 8192


@dataclass(frozen=True)
class TextSettings(Settings):
    """Flags of a language model of characters that is trained with AdamW and half a cosine behind a warm-up."""

    data: str = "python"
    """python, the help on Python's language that comes with it, or the path of a UTF-8 text file."""
    validation: float = 0.1
    """The last part of the text, which is not trained on."""
    seeds: int = 1
    layout: Literal["vmap", "map"] = "map"
    batch_size: int = 12
    """Windows in a batch."""
    context: int = 64
    """Characters in a window."""
    learning_rate: float = 1e-3
    """The greatest learning rate of the schedule."""
    final_rate: float = 0.1
    """The last learning rate, as a part of the greatest."""
    warmup: int = 100
    """Steps in which the rate rises from 0."""
    weight_decay: float = 0.1
    """Decay of kernels and embeddings, as a part of the learning rate."""
    clip_norm: float = 1.0
    """The greatest norm of a gradient."""
    b2: float = 0.99
    """The decay of AdamW's second moments."""
    dropout: float = 0.0
    """The part of activations that is dropped."""
    prompt: str = "\n"
    """What the text in the report begins with."""
    temperature: float = 0.8
    """Of the characters that are drawn for it."""
    characters: int = 600
    """Its length."""


def language_model(config: TextSettings, model_for: Callable[[int], nn.Module]) -> Experiment:
    """An experiment that trains `model_for(number of characters)` to say which character comes next.

    Raises ValueError for a text that is not there or not sound, and for settings that do not fit it.
    """
    text: Text = naming("--data", load_text, config.data, config.validation)
    shortest = min(len(text.train), len(text.validation))
    if not 1 <= config.context < shortest:
        raise ValueError(f"--context: got {config.context}, allowed are 1 to {shortest - 1} for this text")
    devices = 1 if config.parallel == "members" else config.devices
    if config.batch_size < 1 or config.batch_size % devices:
        raise ValueError(f"--batch-size: got {config.batch_size}, must be a positive multiple of the {devices} devices")
    prompt = naming("--prompt", encode, config.prompt, text.vocabulary)
    model = model_for(len(text.vocabulary))
    schedule = naming("--warmup", warmup_cosine, config.steps, min(config.warmup, config.steps), config.final_rate)
    learner = gradient_learner(config.cast(causal_lm(model)), adamw(schedule, config.b2))
    rows = math.ceil(max(EVALUATION_TOKENS // config.context, 1) / devices) * devices

    def figures(state: State) -> dict[str, "Figure"]:
        from mlr_jax.report.texts import draw_text

        variables = {"params": jax.tree.map(lambda leaf: leaf[0], state.inner.params)}
        written = generate_long(
            model, variables, jnp.asarray(prompt)[None], jax.random.key(config.seed),
            Sampling(config.temperature), steps=config.characters,
        )  # fmt: skip
        return {"sample": draw_text(config.prompt + decode(np.asarray(written[0]), text.vocabulary))}

    return Experiment(
        learner=random_windows(config.spread(learner), config.batch_size, config.context),
        source=Resident(jnp.asarray(text.train)),
        hypers=Hypers(config.learning_rate, config.weight_decay, config.clip_norm),
        evaluations={"val": lambda: evaluation_windows(text.validation, rows, config.context)},
        items_per_step=config.batch_size * config.context,
        unit="tokens",
        figures=figures,
    )
