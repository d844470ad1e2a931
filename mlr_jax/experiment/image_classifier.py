"""What every experiment that classifies images shares: its flags, its data, its pictures."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.core.ema import EmaState, ema
from mlr_jax.core.gradient import Optimizer, gradient_learner
from mlr_jax.core.on_device import OnDeviceState, on_device
from mlr_jax.core.optimizers import adamw, muon, sgd
from mlr_jax.core.schedules import Schedule, one_cycle
from mlr_jax.core.types import Resident, Source, State, Task, Variables
from mlr_jax.data.arrays import Arrays, check_arrays, check_batch_size, evaluation_batches, from_arrays
from mlr_jax.data.augment import Transform, augment, channel_moments, standardise, standardised
from mlr_jax.data.images import hold_out, load_images
from mlr_jax.experiment.image_figures import classifier_figures
from mlr_jax.experiment.run import Experiment
from mlr_jax.experiment.settings import Settings
from mlr_jax.nn.mirrored import Mirrored
from mlr_jax.supervised.classification import Hypers, SgdHypers, classification

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EVALUATION_ROWS = 512


@dataclass(frozen=True)
class ImageSettings(Settings):
    """Flags of an image classifier that is trained with AdamW or SGD, by default with a one-cycle schedule."""

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
    """Decay of kernels, as a part of the learning rate; with SGD the part of a kernel that its gradient is given."""
    clip_norm: float = math.inf
    """The greatest norm of a gradient."""
    label_smoothing: float = 0.0
    """The part of the target that is spread over all classes."""
    optimizer: Literal["adamw", "sgd", "muon"] = "adamw"
    """AdamW, stochastic gradient descent with Nesterov's momentum, or Muon for convolutions and Adam for the rest."""
    momentum: float = 0.9
    """Of SGD and of Muon."""
    averaging: float = 0.0
    """How much of the parameters' moving average stays at a step; it is evaluated in their place. 0 averages none."""
    standardise: bool = False
    """Bring each channel to mean 0 and variance 1 over the training images."""
    test_time_flip: bool = False
    """Average what is said of a test image and of its mirror image."""
    test_time_shift: int = 0
    """With that flip: give half of the weight to both moved by so many pixels, up and left, and down and right."""

    def updates(self, schedule: Schedule | None = None, nesterov: bool = True) -> Optimizer:
        """The optimizer, with a schedule that is one cycle over the steps where it is None."""
        schedule = one_cycle(self.steps) if schedule is None else schedule
        if self.optimizer == "sgd":
            return sgd(schedule, nesterov)
        return adamw(schedule) if self.optimizer == "adamw" else muon(schedule)

    def hypers(self) -> Hypers | SgdHypers:
        """What the optimizer and the loss read."""
        shared = Hypers(self.learning_rate, self.weight_decay, self.clip_norm, self.label_smoothing)
        return shared if self.optimizer == "adamw" else SgdHypers(*shared, self.momentum)


class Splits(NamedTuple):
    """The images of an experiment: to train on, by name those to evaluate on, and what the classes are called."""

    train: Arrays
    evaluated: dict[str, Arrays]
    class_names: tuple[str, ...]


def image_classifier(
    config: ImageSettings,
    model_for: Callable[[int], nn.Module],
    transforms: tuple[Transform, ...] = (),
    *,
    mix: Callable[[Task, int], Task] | None = None,
    schedule: Schedule | None = None,
    nesterov: bool = True,
    splits: Splits | None = None,
) -> Experiment:
    """An experiment that trains `model_for(number of classes)` on images which `transforms` vary at random.

    mix: task, number of classes -> task; changes that mix rows, such as `mixup`. schedule: of the learning rate, one
    cycle over the steps where it is None. nesterov: whether SGD looks ahead. splits: the images, where the model has
    been made from them already; those that --data names where it is None.

    Raises ValueError for data that is not there or not sound, and for settings that do not fit it.
    """
    splits, evaluation_rows = splits or image_splits(config), check_rows(config)
    naming("--batch-size", check_batch_size, config.batch_size, splits.train["y"].shape[0])
    classes = len(splits.class_names)
    model, shift = model_for(classes), _test_time_shift(config, splits)
    model = Mirrored(model, shift) if config.test_time_flip else model
    moments = channel_moments(splits.train["x"]) if config.standardise else None
    task = classification(model, splits.train["x"].shape[1:])
    task = mix(task, classes) if mix else task
    task = augment(task, *transforms) if transforms else task
    task = standardise(task, *moments) if moments else task
    learner = config.spread(gradient_learner(config.cast(task), config.updates(schedule, nesterov)))
    learner = ema(learner, config.averaging) if config.averaging else learner
    source: Source | Resident = from_arrays(splits.train, config.batch_size, seed=config.seed)
    if config.resident:
        learner, source = on_device(learner, config.batch_size), Resident(jax.tree.map(jnp.asarray, splits.train))

    def prepared(x: jax.Array) -> jax.Array:
        return standardised(x, *moments) if moments else x

    def figures(state: State) -> dict[str, "Figure"]:
        return classifier_figures(model, variables_of(state), splits.evaluated["test"], splits.class_names, prepared)

    return Experiment(
        learner=learner,
        source=source,
        hypers=config.hypers(),
        evaluations={split: _batches(arrays, evaluation_rows) for split, arrays in splits.evaluated.items()},
        items_per_step=config.batch_size,
        unit="images",
        figures=figures,
    )


def image_splits(config: ImageSettings) -> Splits:
    """The images that --data names, some of them held out as --validation says.

    Raises ValueError, naming the flag, for data that is not there or not sound.
    """
    dataset = naming("--data", load_images, config.data)
    for split, arrays in (("train", dataset.train), ("test", dataset.test)):
        check_arrays(arrays, num_classes=len(dataset.class_names), name=f"--data {config.data} ({split})")
    if not config.validation:
        return Splits(dict(dataset.train), {"test": dataset.test}, dataset.class_names)
    train, validation = naming("--validation", hold_out, dataset, config.validation, seed=0)
    return Splits(train, {"val": validation, "test": dataset.test}, dataset.class_names)


def check_rows(config: ImageSettings) -> int:
    """The rows of an evaluated batch, a multiple of the devices. Raises ValueError if --batch-size is not one."""
    devices = 1 if config.parallel == "members" else config.devices
    if config.batch_size % devices:
        raise ValueError(f"--batch-size: got {config.batch_size}, must be a multiple of the {devices} devices")
    return math.ceil(EVALUATION_ROWS / devices) * devices


def _test_time_shift(config: ImageSettings, splits: Splits) -> int:
    shift, side = config.test_time_shift, min(splits.train["x"].shape[1:3])
    if not 0 <= shift < side:
        raise ValueError(f"--test-time-shift: got {shift}, allowed are 0 to {side - 1} for these images")
    if shift and not config.test_time_flip:
        raise ValueError(f"--test-time-shift: got {shift} without --test-time-flip, which it is a part of")
    return shift


def naming(flag: str, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """The function's result; an error of it names the flag."""
    try:
        return function(*arguments, **keywords)
    except (ValueError, OSError, ImportError) as error:
        raise ValueError(f"{flag}: {error}") from error


def _batches(arrays: Arrays, rows: int):
    return lambda: evaluation_batches(arrays, rows)


def variables_of(state: State) -> Variables:
    """What a model of this state predicts with: averaged parameters where there are any."""
    state = state.inner if isinstance(state, OnDeviceState) else state
    if isinstance(state, EmaState):
        return {"params": state.average, **state.inner.collections}
    return {"params": state.params, **state.collections}
