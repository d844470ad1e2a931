"""An experiment around the toy learner, whose validation loss falls and then rises."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from toy_learner import Hypers, batch_of, evaluate, learner

from mlr_jax.core.types import Resident
from mlr_jax.data.arrays import evaluation_batches
from mlr_jax.experiment.run import Experiment
from mlr_jax.experiment.settings import Settings

BEST_STEP = 8


@dataclass(frozen=True)
class Config(Settings):
    """A toy."""

    steps: int = 20
    seeds: int = 2
    chunk: int = 2
    eval_every: int = 4
    checkpoint_every: int = 2
    rate: float = 0.25
    """How far a step goes."""
    overfits: bool = False
    """The validation loss is least at step 8."""


def u_shaped(state, batch):
    """A loss of each row that is least at BEST_STEP."""
    values = evaluate(state, batch)["loss"]
    return {"loss": 1e-3 * values + jnp.abs(state.step - BEST_STEP).astype(jnp.float32)}


def build(config: Config) -> Experiment:
    """The experiment."""
    rows = {"x": np.concatenate([batch_of(index)["x"] for index in range(5)])}
    return Experiment(
        learner=learner._replace(evaluate=u_shaped) if config.overfits else learner,
        source=Resident(batch_of(0)),
        hypers=Hypers(config.rate),
        evaluations={split: lambda: evaluation_batches(rows, 8) for split in ("val", "test")},
        items_per_step=4,
        unit="rows",
    )
