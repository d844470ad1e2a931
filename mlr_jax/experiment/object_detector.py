"""What every experiment that finds objects shares: its flags, its data, its scores and pictures."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.ema import EmaState, ema
from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.on_device import OnDeviceState, on_device
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.schedules import one_cycle
from mlr_jax.core.types import Resident, State
from mlr_jax.data.arrays import Arrays, check_batch_size, evaluation_batches
from mlr_jax.data.box_augment import augment_boxes, colour_jitter, random_flips, random_zoom
from mlr_jax.data.boxes import BoxSet, load_boxes
from mlr_jax.experiment.image_classifier import naming
from mlr_jax.experiment.run import Experiment
from mlr_jax.experiment.settings import Settings
from mlr_jax.nn.detector import Detector
from mlr_jax.ops.boxes import Detections
from mlr_jax.ops.metrics.detection import Scores, average_precision, by_name
from mlr_jax.supervised.detection import Hypers, detect, detection

EVALUATION_ROWS = 8
DRAWN = 6
LEAST_SIDE = 32


@dataclass(frozen=True)
class DetectorSettings(Settings):
    """Flags of a detector that is trained with AdamW, a one-cycle schedule and averaged parameters."""

    data: str = "discs"
    """discs, which are drawn on the spot, or the path of a Pascal VOC folder."""
    bad_boxes: Literal["error", "clip", "drop"] = "error"
    """What becomes of boxes that reach out of their image or have no area."""
    height: int = 240
    """Rows that every image is resized to."""
    width: int = 320
    """Columns that every image is resized to."""
    seeds: int = 1
    layout: Literal["vmap", "map"] = "map"
    batch_size: int = 8
    """Images in a batch."""
    learning_rate: float = 2e-3
    """The greatest learning rate of the schedule."""
    weight_decay: float = 1e-2
    """Decay of kernels, as a part of the learning rate."""
    clip_norm: float = 10.0
    """The greatest norm of a gradient."""
    averaging: float = 0.995
    """Of parameters: how much of their average stays at a step. It is the average that is evaluated."""
    zoom: float = 0.3
    """Images are shown larger or smaller by up to this part, cropped and moved."""
    jitter: float = 0.2
    """How much brightness, contrast, saturation and the balance of colours vary."""
    overlap: float = 0.5
    """Of two found boxes of one class with a greater IoU the worse is dropped."""


def object_detector(config: DetectorSettings, model_for: Callable[[int], Detector]) -> Experiment:
    """An experiment that trains `model_for(number of classes)` to find boxes, with random flips, zooms and colours.

    Raises ValueError for data that is not there or not sound, and for settings that do not fit it.
    """
    size = (config.height, config.width)
    if min(size) < LEAST_SIDE:
        raise ValueError(f"--height and --width: got {config.height} and {config.width}, the least is {LEAST_SIDE}")
    dataset = naming("--data", load_boxes, config.data, size=size, bad_boxes=config.bad_boxes)
    naming("--batch-size", check_batch_size, config.batch_size, dataset.train["y"].shape[0])
    devices = 1 if config.parallel == "members" else config.devices
    if config.batch_size % devices:
        raise ValueError(f"--batch-size: got {config.batch_size}, must be a multiple of the {devices} devices")
    model = model_for(len(dataset.class_names))
    task = augment_boxes(
        detection(model, dataset.train["x"].shape[1:]),
        random_flips,
        partial(random_zoom, scale=config.zoom),
        partial(colour_jitter, strength=config.jitter),
    )
    learner = config.spread(gradient_learner(config.cast(task), adamw(one_cycle(config.steps))))
    learner = on_device(ema(learner, config.averaging), config.batch_size)
    splits = {"val": dataset.validation, "test": dataset.test}
    rows = math.ceil(EVALUATION_ROWS / devices) * devices
    find = _finder(model, config.overlap)

    def scores_of(split: str, state: State) -> list[Scores]:
        return [
            average_precision(splits[split], found, len(dataset.class_names)) for found in find(state, splits[split])
        ]

    def scores(split: str, state: State) -> Mapping[str, np.ndarray]:
        members = [by_name(member, dataset.class_names) for member in scores_of(split, state)]
        return {name: np.array([member[name] for member in members]) for name in members[0]}

    return Experiment(
        learner=learner,
        source=Resident(jax.tree.map(jnp.asarray, dict(dataset.train))),
        hypers=Hypers(config.learning_rate, config.weight_decay, config.clip_norm),
        evaluations={split: _batches(arrays, rows) for split, arrays in splits.items()},
        items_per_step=config.batch_size,
        unit="images",
        figures=lambda state: _figures(find(state, dataset.test)[0], dataset),
        scores=scores,
    )


def _batches(arrays: Arrays, rows: int):
    return lambda: evaluation_batches(arrays, rows)


def _finder(model: Detector, overlap: float) -> Callable[[State, Arrays], list[Detections]]:
    """A function of the state of all members and of a split: what each member finds in its images."""

    @jax.jit
    def of_batch(variables: Any, x: jax.Array) -> Detections:
        return jax.lax.map(lambda member: detect(model, member, x, threshold=overlap), variables)

    def find(state: State, arrays: Arrays) -> list[Detections]:
        variables, parts = _variables(state), []
        for batch in evaluation_batches({"x": arrays["x"]}, EVALUATION_ROWS):
            real = np.asarray(batch["mask"]) > 0
            found = jax.device_get(of_batch(variables, batch["x"]))
            parts.append(jax.tree.map(lambda leaf, real=real: leaf[:, real], found))
        whole = jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *parts)
        members = len(whole.scores)
        return [jax.tree.map(lambda leaf, member=member: leaf[member], whole) for member in range(members)]

    return find


def _variables(state: State) -> Any:
    """What is evaluated: averaged parameters, and the running moments of the others."""
    inner = state.inner if isinstance(state, OnDeviceState) else state
    if isinstance(inner, EmaState):
        return {"params": inner.average, **inner.inner.collections}
    return {"params": inner.params, **inner.collections}


def _figures(found: Detections, dataset: BoxSet):
    """Boxes found by the first member in some test images beside the true ones, and its precision and recall."""
    from mlr_jax.report.detection import boxes_drawn, precision_recall

    scores = average_precision(dataset.test, found, len(dataset.class_names))
    rows = np.linspace(0, len(found.scores) - 1, min(DRAWN, len(found.scores))).astype(int)
    truth = {name: dataset.test[name][rows] for name in ("boxes", "y", "is_box")}
    shown = jax.tree.map(lambda leaf: leaf[rows], found)
    return {
        "detections": boxes_drawn(dataset.test["x"][rows], truth, shown, dataset.class_names),
        "precision_recall": precision_recall(scores.precision, scores.ap_50, dataset.class_names),
    }
