"""ResNet-20 on CIFAR-10 (He et al., 2015, section 4.2).

    python experiments/vision/cifar10_resnet.py --data FOLDER
    python experiments/vision/cifar10_resnet.py --paper

50,000 training and 10,000 test images, 32x32, ten classes: from TFDS, or a folder `{train,test}/CLASS/*.jpg`. By
default 29 epochs with Muon and a one-cycle schedule, for a CPU; a test image is judged with its mirror image. `--paper`
is the paper's recipe, 64,000 steps of SGD, for a GPU; the paper's test accuracy is 91.25 % (`--layers 56`: 93.03 %).
Expected on images that had been compressed: 89.0 % in 50 minutes on 2 cores; with `--paper` 87.8 %, in 3 on an H100.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from mlr_jax.core.schedules import step_decay
from mlr_jax.data.augment import random_crop, random_flip
from mlr_jax.experiment.image_classifier import ImageSettings, image_classifier
from mlr_jax.experiment.main import main
from mlr_jax.experiment.run import Experiment
from mlr_jax.nn.resnet import cifar_resnet


@dataclass(frozen=True)
class Config(ImageSettings):
    """CIFAR-10 ResNet."""

    data: str = "tfds:cifar10"
    seeds: int = 1
    layout: Literal["vmap", "map"] = "map"
    steps: int = 5600
    chunk: int = 20
    eval_every: int = 1400
    checkpoint_every: int = 200
    batch_size: int = 256
    optimizer: Literal["adamw", "sgd", "muon"] = "muon"
    learning_rate: float = 0.1
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    standardise: bool = True
    test_time_flip: bool = True
    layers: int = 20
    """6 n + 2: 20, 32, 44, 56, 110."""
    widths: tuple[int, ...] = (16, 32, 64)
    """Channels of the three stages."""
    padding: int = 2
    """Pixels around an image, of which a random window of its size is cut."""
    paper: bool = False
    """The recipe of the paper: 64,000 steps, the rate divided by 10 at half and at three quarters of them."""


TINY = {
    "data": "digits", "steps": 4, "layers": 8, "widths": (4, 8, 8), "chunk": 2, "eval_every": 4, "batch_size": 16,
    "padding": 1,
}  # fmt: skip
PAPER = {
    "steps": 64_000, "batch_size": 128, "optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 1e-4,
    "label_smoothing": 0.0, "padding": 4, "test_time_flip": False, "eval_every": 2000, "checkpoint_every": 2000,
}  # fmt: skip


def build(config: Config) -> Experiment:
    """The experiment."""
    return image_classifier(
        config,
        lambda classes: cifar_resnet(config.layers, classes, widths=config.widths),
        (partial(random_crop, padding=config.padding), random_flip),
        schedule=step_decay([config.steps // 2, 3 * config.steps // 4]) if config.paper else None,
        nesterov=not config.paper,
    )


if __name__ == "__main__":
    main(Config, build, TINY, presets={"paper": PAPER})
