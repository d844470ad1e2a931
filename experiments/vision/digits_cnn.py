"""A small convolutional network on 8x8 handwritten digits: eight seeds in one compiled program.

    python experiments/vision/digits_cnn.py

1,437 training and 360 test images, which scikit-learn ships.
"""

from dataclasses import dataclass

from mlr_jax.data.augment import random_crop
from mlr_jax.experiment.image_classifier import ImageSettings, image_classifier
from mlr_jax.experiment.main import main
from mlr_jax.experiment.run import Experiment
from mlr_jax.nn.cnn import CNN


@dataclass(frozen=True)
class Config(ImageSettings):
    """Digits CNN."""

    steps: int = 600
    widths: tuple[int, ...] = (32, 64)
    """Channels of each stage."""
    hidden: int = 128
    """Width of the dense layer."""
    dropout: float = 0.3
    """The part of the dense layer's outputs that is dropped."""
    padding: int = 0
    """Images are shifted at random by up to so many pixels."""


TINY = {"steps": 20, "seeds": 2, "widths": (4, 8), "hidden": 16, "chunk": 10, "eval_every": 10, "batch_size": 32}


def build(config: Config) -> Experiment:
    """The experiment."""

    def model(classes: int) -> CNN:
        return CNN(config.widths, classes, hidden=config.hidden, dropout=config.dropout)

    def shift(key, image):
        return random_crop(key, image, config.padding)

    return image_classifier(config, model, (shift,) if config.padding else ())


if __name__ == "__main__":
    main(Config, build, TINY)
