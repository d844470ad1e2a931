"""What every experiment with a language model of characters shares: its flags, its text, what it writes."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.gradient import Optimizer, gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.schedules import warmup_cosine
from mlr_jax.core.types import Resident, State, Task, TrainState, Variables
from mlr_jax.data.text import Text, decode, encode, evaluation_windows, load_text
from mlr_jax.experiment.image_classifier import naming
from mlr_jax.experiment.run import Experiment
from mlr_jax.experiment.settings import Settings
from mlr_jax.language.causal_lm import Hypers, causal_lm
from mlr_jax.language.decode import Prompts, Sampling, generate, generate_long
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


def text_of(config: TextSettings) -> Text:
    """The text, by characters.

    Raises ValueError, naming the flag, for one that is not there or not sound, and for settings that do not fit it.
    """
    text = naming("--data", load_text, config.data, config.validation)
    shortest = min(len(text.train), len(text.validation))
    if not 1 <= config.context < shortest:
        raise ValueError(f"--context: got {config.context}, allowed are 1 to {shortest - 1} for this text")
    devices = row_devices(config)
    if config.batch_size < 1 or config.batch_size % devices:
        raise ValueError(f"--batch-size: got {config.batch_size}, must be a positive multiple of the {devices} devices")
    naming("--prompt", encode, config.prompt, text.vocabulary)
    return text


def row_devices(config: TextSettings) -> int:
    """Over how many devices the rows of a batch are spread."""
    return 1 if config.parallel == "members" else config.devices


def optimizer_of(config: TextSettings) -> Optimizer:
    """AdamW and its schedule. Raises ValueError, naming the flag, for a schedule that cannot be."""
    warmup = min(config.warmup, config.steps)
    return adamw(naming("--warmup", warmup_cosine, config.steps, warmup, config.final_rate), config.b2)


def hypers_of(config: TextSettings) -> Hypers:
    """What `--sweep` may vary."""
    return Hypers(config.learning_rate, config.weight_decay, config.clip_norm)


def language_model(config: TextSettings, model_for: Callable[[int], nn.Module]) -> Experiment:
    """An experiment that trains `model_for(number of characters)` to say which character comes next.

    Raises ValueError as `text_of` does.
    """
    text = text_of(config)
    model = model_for(len(text.vocabulary))

    def figures(state: State) -> dict[str, "Figure"]:
        return {"sample": sample(config, model, params_of_first(state.inner), text)}

    return on_windows(config, causal_lm(model), (text.train, text.validation), figures)


def on_windows(
    config: TextSettings,
    task: Task,
    tokens: tuple[np.ndarray, np.ndarray],
    figures: Callable[[State], Mapping[str, "Figure"]],
) -> Experiment:
    """An experiment that trains the task on windows drawn from the first tokens, and evaluates all of the others."""
    train, validation = tokens
    learner = gradient_learner(config.cast(task), optimizer_of(config))
    devices = row_devices(config)
    rows = math.ceil(max(EVALUATION_TOKENS // config.context, 1) / devices) * devices
    return Experiment(
        learner=random_windows(config.spread(learner), config.batch_size, config.context),
        source=Resident(jnp.asarray(train)),
        hypers=hypers_of(config),
        evaluations={"val": lambda: evaluation_windows(validation, rows, config.context)},
        items_per_step=config.batch_size * config.context,
        unit="tokens",
        figures=figures,
    )


def params_of_first(state: TrainState) -> Variables:
    """The parameters of the first member of a sweep, as variables."""
    return {"params": jax.tree.map(lambda leaf: leaf[0], state.params)}


def sample(config: TextSettings, model: Any, variables: Variables, text: Text) -> "Figure":
    """What the model writes, as a picture."""
    from mlr_jax.report.texts import draw_text

    prompt = jnp.asarray(encode(config.prompt, text.vocabulary))[None]
    key, sampling, steps = jax.random.key(config.seed), Sampling(config.temperature), config.characters
    if prompt.shape[1] + steps <= model.context:
        prompts = Prompts(prompt, jnp.full(1, prompt.shape[1]))
        written = generate(model, variables, prompts, key, sampling, steps=steps)
    else:
        written = generate_long(model, variables, prompt, key, sampling, steps=steps)
    return draw_text(config.prompt + decode(np.asarray(written[0]), text.vocabulary))
