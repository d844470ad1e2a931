"""CIFAR-10 in as little time as it takes: a whitened input, a shallow wide network, few epochs.

    python experiments/vision/cifar10_speedrun.py --data tfds:cifar10
    python experiments/vision/cifar10_speedrun.py --data FOLDER

FOLDER holds SPLIT/CLASS/*.jpg. The recipe follows Page, "How to train your ResNet" (2018), and Jordan, "94% on CIFAR-10
in 3.29 seconds on a single GPU" (2024), with narrower stages and Muon. A test image is judged by six views: itself,
moved a pixel both ways, and their mirror images.
Expected on images that had been compressed: a test accuracy of 90.5 % in 28 minutes on 2 cores.
For such images `--whitening 3e-2` keeps what compression left from being amplified.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax.numpy as jnp
import numpy as np

from mlr_jax.core.schedules import one_cycle
from mlr_jax.data.augment import channel_moments, random_crop, random_flip, standardised
from mlr_jax.experiment.image_classifier import ImageSettings, image_classifier, image_splits
from mlr_jax.experiment.main import main
from mlr_jax.experiment.run import Experiment
from mlr_jax.nn.fast_cifar import FastCifarNet, whitening_filters


@dataclass(frozen=True)
class Config(ImageSettings):
    """CIFAR-10 speed run."""

    data: str = "tfds:cifar10"
    seeds: int = 1
    layout: Literal["vmap", "map"] = "map"
    batch_size: int = 512
    steps: int = 1700
    """Some 17 epochs of 50,000 images."""
    chunk: int = 20
    eval_every: int = 1700
    checkpoint_every: int = 340
    optimizer: Literal["adamw", "sgd", "muon"] = "muon"
    learning_rate: float = 0.24
    momentum: float = 0.6
    weight_decay: float = 0.1
    label_smoothing: float = 0.1
    standardise: bool = True
    test_time_flip: bool = True
    test_time_shift: int = 1
    widths: tuple[int, ...] = (48, 192, 192)
    """Channels of each stage."""
    whitening: float = 5e-4
    """What is added to the variances of patches before whitening divides by them."""
    shift: int = 2
    """Pixels by which images are moved at most."""
    crop: int = 0
    """The side of what is cut out of each training image, which takes less time; 0 cuts nothing off."""


TINY = {
    "data": "digits", "steps": 4, "seeds": 2, "widths": (4, 8), "chunk": 2, "eval_every": 4, "batch_size": 16,
}  # fmt: skip

WHITENED = 5000
"""Images whose patches the whitening is made from: as good as all of them."""


def build(config: Config) -> Experiment:
    """The experiment. Raises ValueError, naming the flag, for a crop that cannot be cut."""
    splits = image_splits(config)
    side = min(splits.train["x"].shape[1:3])
    if not 0 <= config.crop <= side:
        raise ValueError(f"--crop: got {config.crop}, allowed are 0 to {side}, the side of these images")
    images = splits.train["x"][:: max(1, len(splits.train["x"]) // WHITENED)]  # of all classes, however they are sorted
    if config.standardise:
        images = np.asarray(standardised(jnp.asarray(images), *channel_moments(splits.train["x"])))
    filters = whitening_filters(images, epsilon=config.whitening)

    def model(classes: int) -> FastCifarNet:
        return FastCifarNet(filters, classes, config.widths)

    cut = partial(random_crop, padding=config.shift, size=config.crop or None)
    transforms = (cut, random_flip)
    schedule = one_cycle(config.steps, rise=0.23, start=0.2)
    return image_classifier(config, model, transforms, schedule=schedule, splits=splits)


if __name__ == "__main__":
    main(Config, build, TINY)
