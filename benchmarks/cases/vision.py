"""Networks for images, beside the same in PyTorch (channels last): steps of SGD with momentum."""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import optax

from benchmarks.case import Asked, Case, Make
from benchmarks.cases.images import CLASSES, images, numpy_of
from benchmarks.peers import torch_classifiers
from benchmarks.training import both_ways
from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.types import Learner
from mlr_jax.nn.cnn import CNN
from mlr_jax.nn.lenet import LeNet5
from mlr_jax.nn.resnet import cifar_resnet, resnet
from mlr_jax.nn.vit import vit
from mlr_jax.supervised.classification import Hypers, classification

STEPS = 8


def lenet(asked: Asked) -> Case:
    """LeNet-5, batches of 128 images of 28x28."""
    return _case(asked, LeNet5(CLASSES), 128, (28, 28, 1), torch_classifiers.lenet)


def cnn(asked: Asked) -> Case:
    """Two convolutions of 32 and 64 channels and a hidden layer of 128, batches of 128 images of 28x28."""
    widths, hidden = (asked.of(32, 4), asked.of(64, 8)), 128
    peer = partial(torch_classifiers.cnn, 28, widths, hidden)
    return _case(asked, CNN(widths, CLASSES, hidden=hidden), 128, (28, 28, 1), peer)


def resnet20(asked: Asked) -> Case:
    """ResNet-20 for 32x32 images, batches of 128; in the short form ResNet-8."""
    return _case(asked, cifar_resnet(asked.of(20, 8), CLASSES), 128, (32, 32, 3), torch_classifiers.resnet20)


def resnet18(asked: Asked) -> Case:
    """ResNet-18 with the stem for 32x32 images, batches of 64; in the short form it is narrow."""
    widths = tuple(asked.of(width, 4) for width in (64, 128, 256, 512))
    model = resnet(18, CLASSES, stem="cifar", widths=widths)
    return _case(asked, model, 64, (32, 32, 3), torch_classifiers.resnet18)


def vit_tiny(asked: Asked) -> Case:
    """ViT-Ti on 64 patches of 4x4 of 32x32 images, batches of 64; in the short form one block."""
    model = vit("tiny", CLASSES, patch=4).clone(depth=asked.of(12, 1))
    return _case(asked, model, 64, (32, 32, 3), torch_classifiers.vit_tiny)


def learner_of(model: nn.Module, shape: tuple[int, ...]) -> Learner:
    """SGD with momentum."""
    task = classification(model, shape)
    return gradient_learner(task, lambda hypers: optax.sgd(hypers.learning_rate, torch_classifiers.MOMENTUM))


def _case(asked: Asked, model: nn.Module, rows: int, shape: tuple[int, ...], peer: Callable[[], Any]) -> Case:
    rows, steps = asked.of(rows, 2 * asked.devices), asked.of(STEPS, 2)
    batches = images(steps, rows, shape)
    ours = both_ways(asked.spread(learner_of(model, shape)), Hypers(torch_classifiers.RATE), batches)
    peers = {}
    if asked.beside("torch"):
        peers = torch_classifiers.both_ways(peer, numpy_of(batches), torch_classifiers.sgd, short=asked.short)
    return Case(ours, peers, steps * rows, "images", steps)


CASES: dict[str, Make] = {
    "lenet": lenet, "cnn": cnn, "resnet20": resnet20, "resnet18": resnet18, "vit_tiny": vit_tiny
}  # fmt: skip
