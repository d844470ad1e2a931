"""What every experiment that classifies images shares: its flags, its data, its pictures."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.on_device import OnDeviceState, on_device
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.schedules import one_cycle
from mlr_jax.core.types import Resident, Source
from mlr_jax.data.arrays import Arrays, check_arrays, check_batch_size, evaluation_batches, from_arrays
from mlr_jax.data.augment import Transform, augment
from mlr_jax.data.images import hold_out, load_images
from mlr_jax.experiment.run import Experiment
from mlr_jax.experiment.settings import Settings
from mlr_jax.supervised.classification import Hypers, classification, predict

EVALUATION_ROWS = 512


@dataclass(frozen=True)
class ImageSettings(Settings):
    """Flags of an image classifier that is trained with AdamW and a one-cycle schedule."""

    data: str = "digits"
    """digits, mnist5k, tfds:NAME, or a path: an .npz file or a folder SPLIT/CLASS/*.png."""
    validation: float = 0.0
    """The part of the training rows to hold out, to choose settings by; 0 trains on all of them."""
    resident: bool = True
    """Keep the data on the device, each member with its own order; otherwise the host sends batches that all share."""
    batch_size: int = 128
    """Rows in a batch."""
    learning_rate: float = 3e-3
    """The greatest learning rate of the schedule."""
    weight_decay: float = 1e-2
    """Decay of kernels, as a part of the learning rate."""
    clip_norm: float = math.inf
    """The greatest norm of a gradient."""
    label_smoothing: float = 0.0
    """The part of the target that is spread over all classes."""


def image_classifier(
    config: ImageSettings, model_for: Callable[[int], nn.Module], transforms: tuple[Transform, ...] = ()
) -> Experiment:
    """An experiment that trains `model_for(number of classes)` on images which `transforms` vary at random.

    Raises ValueError for data that is not there or not sound, and for settings that do not fit it.
    """
    dataset = naming("--data", load_images, config.data)
    classes = len(dataset.class_names)
    for split, arrays in (("train", dataset.train), ("test", dataset.test)):
        check_arrays(arrays, num_classes=classes, name=f"--data {config.data} ({split})")
    train, validation = dataset.train, None
    if config.validation:
        train, validation = naming("--validation", hold_out, dataset, config.validation, seed=0)
    naming("--batch-size", check_batch_size, config.batch_size, train["y"].shape[0])
    devices = 1 if config.parallel == "members" else config.devices
    if config.batch_size % devices:
        raise ValueError(f"--batch-size: got {config.batch_size}, must be a multiple of the {devices} devices")
    evaluation_rows = math.ceil(EVALUATION_ROWS / devices) * devices
    model = model_for(classes)
    task = classification(model, train["x"].shape[1:])
    if transforms:
        task = augment(task, *transforms)
    learner = config.spread(gradient_learner(config.cast(task), adamw(one_cycle(config.steps))))
    splits = {"test": dataset.test} if validation is None else {"val": validation, "test": dataset.test}
    hypers = Hypers(config.learning_rate, config.weight_decay, config.clip_norm, config.label_smoothing)
    source: Source | Resident = from_arrays(train, config.batch_size, seed=config.seed)
    if config.resident:
        learner, source = on_device(learner, config.batch_size), Resident(jax.tree.map(jnp.asarray, dict(train)))
    return Experiment(
        learner=learner,
        source=source,
        hypers=hypers,
        evaluations={split: _batches(arrays, evaluation_rows) for split, arrays in splits.items()},
        items_per_step=config.batch_size,
        unit="images",
        figures=lambda state: _figures(model, state, dataset.test, dataset.class_names),
    )


def naming(flag: str, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """The function's result; an error of it names the flag."""
    try:
        return function(*arguments, **keywords)
    except (ValueError, OSError, ImportError) as error:
        raise ValueError(f"{flag}: {error}") from error


def _batches(arrays: Arrays, rows: int):
    return lambda: evaluation_batches(arrays, rows)


def _figures(model: nn.Module, state, test: Arrays, class_names: tuple[str, ...]):
    """The confusion matrix of the members that did not diverge, and the worst mistakes of their mean probability."""
    from mlr_jax.report.classification import confusion_matrix, worst_mistakes

    inner = state.inner if isinstance(state, OnDeviceState) else state
    variables = {"params": inner.params, **inner.collections}
    probabilities_of = jax.jit(jax.vmap(lambda variables, x: predict(model, variables, x), in_axes=(0, None)))
    parts = [
        np.asarray(probabilities_of(variables, batch["x"]))[:, np.asarray(batch["mask"]) > 0]
        for batch in evaluation_batches(test, EVALUATION_ROWS)
    ]
    probabilities = np.concatenate(parts, axis=1)
    is_sound = np.isfinite(probabilities).all(axis=(1, 2))  # a member that diverged has no opinion
    if not is_sound.any():
        return {}
    probabilities = probabilities[is_sound]
    labels = np.tile(test["y"], probabilities.shape[0])
    return {
        "confusion_matrix": confusion_matrix(labels, probabilities.argmax(-1).reshape(-1), class_names),
        "worst_mistakes": worst_mistakes(test["x"], test["y"], probabilities.mean(0), class_names),
    }
