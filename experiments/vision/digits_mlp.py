"""A multi-layer perceptron on 8x8 handwritten digits; sweeps its learning rate in one compiled program.

    python experiments/vision/digits_mlp.py
    python experiments/vision/digits_mlp.py --sweep learning_rate=1e-4:1e-1:log:8

1,437 training and 360 test images, which scikit-learn ships. Expected: test accuracy 96.7 +- 0.3 % in 3 s on 2 cores.
"""

from dataclasses import dataclass

from mlr_jax.experiment.image_classifier import ImageSettings, image_classifier
from mlr_jax.experiment.main import main
from mlr_jax.experiment.run import Experiment
from mlr_jax.nn.mlp import MLP


@dataclass(frozen=True)
class Config(ImageSettings):
    """Digits MLP."""

    steps: int = 1000
    hidden: tuple[int, ...] = (128,)
    """Widths of the hidden layers."""
    dropout: float = 0.0
    """The part of each hidden layer's outputs that is dropped."""
    batch_size: int = 64
    chunk: int = 100


TINY = {"steps": 20, "seeds": 2, "hidden": (16,), "chunk": 10, "eval_every": 10, "checkpoint_every": 10}


def build(config: Config) -> Experiment:
    """The experiment."""
    return image_classifier(config, lambda classes: MLP(config.hidden, classes, config.dropout))


if __name__ == "__main__":
    main(Config, build, TINY)
