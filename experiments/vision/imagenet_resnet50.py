"""ResNet-50 on ImageNet by the usual recipe (Goyal et al., 2017): 90 epochs, 1,024 images a step.

    python experiments/vision/imagenet_resnet50.py --data tfds:imagenet2012 --devices 8 --num-workers 32
    python experiments/vision/imagenet_resnet50.py --data FOLDER --size 64 --batch-size 64 --steps 2000

1,281,167 training and 50,000 validation images of 1,000 classes, from TFDS, or any folder `{train,val}/CLASS/*.jpg`
with images of any size. Random resized crops and mirror images to train on, the centre crop of a resized image to
evaluate; SGD with Nesterov's momentum, 5 epochs of warm-up and a cosine, label smoothing 0.1. In the literature this
recipe gives 76 to 77 % validation accuracy; it has not been run here. `--tiny` trains on a few drawn images.
"""

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import sgd
from mlr_jax.core.schedules import warmup_cosine
from mlr_jax.data.augment import standardise
from mlr_jax.data.imagenet import MEAN, STD, image_stream
from mlr_jax.experiment.image_classifier import naming
from mlr_jax.experiment.main import main
from mlr_jax.experiment.run import Experiment
from mlr_jax.experiment.settings import Parallel, Settings
from mlr_jax.nn.resnet import resnet
from mlr_jax.supervised.classification import SgdHypers, classification


@dataclass(frozen=True)
class Config(Settings):
    """ImageNet ResNet."""

    data: str = "tfds:imagenet2012"
    """tfds:NAME, a folder SPLIT/CLASS/*.jpg, or drawn: a few images made on the spot."""
    seeds: int = 1
    layout: Literal["vmap", "map"] = "map"
    parallel: Parallel = "data"
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    steps: int = 112_590
    warmup: int = 6255
    """Steps in which the learning rate rises."""
    chunk: int = 10
    eval_every: int = 5000
    checkpoint_every: int = 1250
    size: int = 224
    """Pixels of a side that the network sees."""
    batch_size: int = 1024
    """Rows in a batch, over all devices."""
    num_workers: int = 0
    """Processes that read, decode and crop; 0 does so in threads."""
    learning_rate: float = 0.4
    """The greatest learning rate: 0.1 for every 256 images in a batch."""
    momentum: float = 0.9
    """Of SGD."""
    weight_decay: float = 5e-5
    """Added to the gradient, as a part of each kernel."""
    clip_norm: float = float("inf")
    """The greatest norm of a gradient."""
    label_smoothing: float = 0.1
    """The part of the target that is spread over all classes."""
    layers: int = 50
    """18, 34, 50, 101 or 152."""
    widths: tuple[int, ...] = (64, 128, 256, 512)
    """Channels of the four stages."""


TINY = {
    "data": "drawn", "precision": "float32", "steps": 4, "warmup": 1, "chunk": 2, "eval_every": 4, "size": 32,
    "batch_size": 8, "layers": 18, "widths": (4, 4, 8, 8),
}  # fmt: skip


def build(config: Config) -> Experiment:
    """The experiment."""
    devices = 1 if config.parallel == "members" else config.devices
    if config.batch_size % devices:
        raise ValueError(f"--batch-size: got {config.batch_size}, must be a multiple of the {devices} devices")
    spec = draw_images() if config.data == "drawn" else config.data
    options = {"seed": config.seed, "num_workers": config.num_workers, "evaluation_rows": config.batch_size}
    stream = naming("--data", image_stream, spec, config.batch_size, config.size, **options)
    model = resnet(config.layers, len(stream.class_names), widths=config.widths)
    task = standardise(classification(model, (config.size, config.size, 3)), MEAN, STD)
    schedule = warmup_cosine(config.steps, min(config.warmup, config.steps))
    hypers = SgdHypers(
        config.learning_rate, config.weight_decay, config.clip_norm, config.label_smoothing, config.momentum
    )
    return Experiment(
        learner=config.spread(gradient_learner(config.cast(task), sgd(schedule))),
        source=stream.train,
        hypers=hypers,
        evaluations={"test": stream.test.evaluation},
        items_per_step=config.batch_size,
        unit="images",
    )


def draw_images() -> str:
    """A folder of noisy images of several sizes, of a class with bars that lie and one with bars that stand.

    It is removed at the end of the process.
    """
    folder = Path(tempfile.mkdtemp(prefix="drawn_images_"))
    atexit.register(shutil.rmtree, folder)
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 5)):
        for name in ("lying", "standing"):
            (folder / split / name).mkdir(parents=True)
            for index in range(count):
                height, width = rng.integers(36, 60, 2)
                stripes = 120 * (np.indices((height, width))[int(name == "standing")] // 6 % 2)
                pixels = np.clip(stripes[..., None] + rng.integers(0, 120, (height, width, 3)), 0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / split / name / f"{index}.jpg")
    return str(folder)


if __name__ == "__main__":
    main(Config, build, TINY)
