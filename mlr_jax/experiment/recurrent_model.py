"""What an experiment with recurrent language models is made of: cells side by side, each reading the text on and on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.side_by_side import side_by_side
from mlr_jax.core.types import Resident, State, TrainState, Variables
from mlr_jax.data.text import Text, evaluation_windows
from mlr_jax.experiment.language_model import (
    TextSettings,
    hypers_of,
    optimizer_of,
    params_of_first,
    row_devices,
    sample,
    text_of,
)  # fmt: skip
from mlr_jax.experiment.run import Experiment
from mlr_jax.experiment.study import check_least
from mlr_jax.language.recurrent_lm import gradient_by_lag, recurrent_lm
from mlr_jax.language.streams import streams
from mlr_jax.nn.recurrent_lm import CellName, RecurrentLM

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EVALUATION_ROWS = 32
LAG_ROWS = 64
"""Pieces of text over which a gradient's norm is averaged."""


@dataclass(frozen=True)
class RecurrentSettings(TextSettings):
    """Flags of recurrent language models; `batch_size` streams of the text are read `context` characters at a time."""

    cells: tuple[CellName, ...] = ("lstm",)
    """Cells to train, each on the same batches."""
    depth: int = 2
    """Cells on top of one another."""
    width: int = 256
    """Numbers that each of them carries."""
    embedded: int = 64
    """Numbers that stand for a character."""
    evaluation_context: int = 1024
    """Characters in a window of evaluation, before which nothing has been read."""
    lags: int = 192
    """How many characters back the picture of the gradient goes."""


def networks(config: RecurrentSettings, characters: int) -> dict[str, RecurrentLM]:
    """The models by the names of their cells. Raises ValueError for no cell and for one that is named twice."""
    if not config.cells or len(set(config.cells)) < len(config.cells):
        raise ValueError(f"--cells: got {' '.join(config.cells) or 'none'}, needed is at least one, each once")
    return {
        cell: RecurrentLM(characters, cell, config.depth, config.width, config.embedded, config.dropout)
        for cell in config.cells
    }


def recurrent_models(config: RecurrentSettings) -> Experiment:
    """An experiment that trains every cell to say which character comes next.

    Raises ValueError as `text_of` and `networks` do.
    """
    check_least(config, depth=1, width=1, embedded=1, evaluation_context=1, lags=1)
    text = text_of(config)
    least = (config.batch_size + 1) * config.context
    if len(text.train) < least:
        raise ValueError(
            f"--batch-size, --context: got {config.batch_size}, {config.context}; "
            f"streams of that need {least} characters, the text has {len(text.train)} to train on"
        )
    models = networks(config, len(text.vocabulary))
    optimizer = optimizer_of(config)
    learners = {
        cell: config.spread(gradient_learner(config.cast(recurrent_lm(model, config.batch_size)), optimizer))
        for cell, model in models.items()
    }
    together = side_by_side(learners) if len(learners) > 1 else learners[config.cells[0]]
    devices = row_devices(config)
    context = min(config.evaluation_context, len(text.validation) - 1)
    needed = -(-(len(text.validation) - 1) // context)
    rows = -(-min(needed, EVALUATION_ROWS) // devices) * devices
    return Experiment(
        learner=streams(together, config.batch_size, config.context),
        source=Resident(jnp.asarray(text.train)),
        hypers=hypers_of(config),
        evaluations={"val": lambda: evaluation_windows(text.validation, rows, context)},
        items_per_step=config.batch_size * config.context * len(models),
        unit="tokens",
        figures=lambda state: _figures(config, models, text, state),
    )


def states_of(state: TrainState | Mapping[str, TrainState], names: Sequence[str]) -> dict[str, TrainState]:
    """By cell, of the learner in `recurrent_models`."""
    return {names[0]: state} if isinstance(state, TrainState) else dict(state)


def _figures(
    config: RecurrentSettings, models: Mapping[str, RecurrentLM], text: Text, state: State
) -> dict[str, "Figure"]:
    from mlr_jax.report import lags

    length = min(config.lags, len(text.validation) - 2)
    begins = np.linspace(0, len(text.validation) - length - 1, LAG_ROWS).astype(int)
    tokens = jnp.asarray(text.validation[begins[:, None] + np.arange(length + 1)])
    trained = {cell: params_of_first(own) for cell, own in states_of(state.inner, config.cells).items()}
    new = {cell: _new(model, config.seed) for cell, model in models.items()}
    gradients = jax.jit(gradient_by_lag, static_argnums=0)
    before, after = (
        {cell: gradients(model, params[cell], tokens) for cell, model in models.items()} for params in (new, trained)
    )
    samples = {
        "sample" if len(models) == 1 else f"sample_{cell}": sample(config, model, trained[cell], text)
        for cell, model in models.items()
    }
    return {**samples, "gradient_by_lag": lags.gradient_by_lag(before, after, config.context)}


def _new(model: RecurrentLM, seed: int) -> Variables:
    variables: Any = jax.jit(model.init)(jax.random.key(seed), jnp.zeros((1, 1), jnp.int32))
    return variables
