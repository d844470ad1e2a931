"""A small vision transformer on CIFAR-10, from scratch: patches of 4x4 pixels, heavy augmentation.

    python experiments/vision/cifar10_vit.py --data FOLDER
    python experiments/vision/cifar10_vit.py --width 192 --depth 12 --heads 3 --steps 78000

50,000 training and 10,000 test images, 32x32, ten classes: from TFDS, or a folder `{train,test}/CLASS/*.jpg`. A
transformer has to learn from data what a convolution is given: RandAugment, and mixup or cutmix of each batch, stand in
for more data (Steiner et al., 2022). The second form, ViT-Ti for 200 epochs, is for a GPU.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from mlr_jax.core.schedules import warmup_cosine
from mlr_jax.core.types import Task
from mlr_jax.data.augment import Transform, mixup_or_cutmix, rand_augment, random_crop, random_flip
from mlr_jax.experiment.image_classifier import ImageSettings, image_classifier
from mlr_jax.experiment.main import main
from mlr_jax.experiment.run import Experiment
from mlr_jax.nn.vit import ViT


@dataclass(frozen=True)
class Config(ImageSettings):
    """CIFAR-10 vision transformer."""

    data: str = "tfds:cifar10"
    seeds: int = 1
    layout: Literal["vmap", "map"] = "map"
    steps: int = 11_700
    chunk: int = 30
    eval_every: int = 1170
    checkpoint_every: int = 390
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    label_smoothing: float = 0.1
    patch: int = 4
    """Pixels of a patch's side."""
    width: int = 128
    """Numbers that stand for a patch."""
    depth: int = 6
    """Blocks."""
    heads: int = 4
    """Of attention, in each block."""
    pooling: Literal["token", "mean"] = "mean"
    """What is classified: a token of its own, or the mean over the patches."""
    padding: int = 4
    """Pixels around an image, of which a random window of its size is cut."""
    changes: int = 1
    """Of RandAugment, in a row; 0 makes none."""
    magnitude: float = 9.0
    """Of RandAugment: 0 to 30."""
    mixup: float = 0.2
    """Alpha of mixup, which half of the batches get; 0 mixes no batch at all."""
    cutmix: float = 1.0
    """Alpha of cutmix, which the other half gets."""


TINY = {
    "data": "digits", "steps": 4, "patch": 4, "width": 8, "depth": 2, "heads": 2, "chunk": 2, "eval_every": 4,
    "batch_size": 16, "padding": 1,
}  # fmt: skip


def build(config: Config) -> Experiment:
    """The experiment."""

    def model(classes: int) -> ViT:
        return ViT(classes, config.patch, config.width, config.depth, config.heads, config.pooling)

    def mix(task: Task, classes: int) -> Task:
        return mixup_or_cutmix(task, config.mixup, config.cutmix, classes)

    transforms: list[Transform] = [partial(random_crop, padding=config.padding), random_flip]
    if config.changes:
        transforms.append(partial(rand_augment, count=config.changes, magnitude=config.magnitude))
    schedule = warmup_cosine(config.steps, config.steps // 20)
    return image_classifier(config, model, tuple(transforms), mix=mix if config.mixup else None, schedule=schedule)


if __name__ == "__main__":
    main(Config, build, TINY)
