"""Multi-layer perceptrons, beside the same in PyTorch: 784 inputs, two hidden layers of 512, 10 classes."""

import optax

from benchmarks.case import Asked, Case, Make
from benchmarks.cases.images import CLASSES, images, numpy_of
from benchmarks.peers import torch_classifiers
from benchmarks.training import both_ways
from mlr_jax.core.gradient import Optimizer, gradient_learner
from mlr_jax.nn.mlp import MLP
from mlr_jax.supervised.classification import Hypers, classification

INPUTS, WIDTHS, ROWS, STEPS = 784, (512, 512), 128, 50


def adam(asked: Asked) -> Case:
    """Batches of 128, Adam."""
    return _case(asked, lambda hypers: optax.adam(hypers.learning_rate), Hypers(1e-3), torch_classifiers.adam)


def sgd(asked: Asked) -> Case:
    """The same, SGD with momentum."""
    rate, momentum = torch_classifiers.RATE, torch_classifiers.MOMENTUM
    return _case(asked, lambda hypers: optax.sgd(hypers.learning_rate, momentum), Hypers(rate), torch_classifiers.sgd)


def _case(asked: Asked, optimizer: Optimizer, hypers: Hypers, update: torch_classifiers.Update) -> Case:
    rows, steps, widths = asked.of(ROWS, 8), asked.of(STEPS, 2), tuple(asked.of(width, 16) for width in WIDTHS)
    learner = asked.spread(gradient_learner(classification(MLP(widths, CLASSES), (INPUTS,)), optimizer))
    batches = images(steps, rows, (INPUTS,))
    peers = {}
    if asked.beside("torch"):
        model = lambda: torch_classifiers.mlp(INPUTS, widths, CLASSES)  # noqa: E731
        peers = torch_classifiers.both_ways(model, numpy_of(batches), update, short=asked.short)
    return Case(both_ways(learner, hypers, batches), peers, steps * rows, "rows", steps)


CASES: dict[str, Make] = {"adam": adam, "sgd": sgd}
