"""Networks of blocks for the laws."""

from collections.abc import Callable
from typing import Any, NamedTuple

from learner_case import Case, Wrap, image_batch

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import sgd
from mlr_jax.core.types import Learner
from mlr_jax.nn.resnet import ResNet, ResNetMaps
from mlr_jax.nn.vit import ViT
from mlr_jax.supervised.classification import classification


class Hypers(NamedTuple):
    """What `sgd` and `classification` read."""

    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 1e-3
    clip_norm: float = 1.0
    label_smoothing: float = 0.1


def learner(network: Any) -> Callable[[Wrap], Learner]:
    """A classifier of images, wrapped."""
    return lambda wrap: wrap(gradient_learner(classification(network, (8, 8, 1)), sgd()))


resnet = ResNet(ResNetMaps((1, 1), (4, 6), stem="cifar", shortcut="pad", remat=True), 4)
vit = ViT(4, patch=4, width=8, depth=1, heads=2)
BOTH = {"hypers": Hypers(), "other_hypers": Hypers(0.01, 0.5, 0.0, 10.0, 0.0)}

CASES: dict[str, Case] = {
    "resnet": Case(learner(resnet), image_batch, **BOTH, tolerance=1e-3),
    "vit": Case(learner(vit), image_batch, **BOTH, tolerance=1e-4),
}
