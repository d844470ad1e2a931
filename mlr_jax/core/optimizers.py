"""Optax optimizers as functions of the hyper-parameters: the peak rate is traced, the shape of its schedule fixed."""

import jax
import optax
from optax.contrib import MuonDimensionNumbers
from optax.contrib import muon as optax_muon

from mlr_jax.core.gradient import Optimizer
from mlr_jax.core.schedules import Schedule, constant
from mlr_jax.core.types import Hypers


def adamw(schedule: Schedule | None = None, b2: float = 0.999) -> Optimizer:
    """AdamW (Loshchilov & Hutter, 2019) on the clipped gradient; `b2` is the decay of its second moments.

    Reads hypers.learning_rate (the peak), hypers.weight_decay (of matrices and kernels, not of biases and scales) and
    hypers.clip_norm (the gradient's greatest norm; infinity clips nothing).
    """

    def optimizer(hypers: Hypers) -> optax.GradientTransformation:
        return optax.chain(
            optax.clip_by_global_norm(hypers.clip_norm),
            optax.adamw(_rate(hypers, schedule), b2=b2, weight_decay=hypers.weight_decay, mask=is_kernel),
        )

    return optimizer


def sgd(schedule: Schedule | None = None, nesterov: bool = True) -> Optimizer:
    """Stochastic gradient descent with momentum on the clipped gradient, weight decay added to the gradient.

    Reads hypers.learning_rate, hypers.momentum, hypers.weight_decay and hypers.clip_norm, as `adamw` does.
    """

    def optimizer(hypers: Hypers) -> optax.GradientTransformation:
        return optax.chain(
            optax.clip_by_global_norm(hypers.clip_norm),
            optax.add_decayed_weights(hypers.weight_decay, mask=is_kernel),
            optax.sgd(_rate(hypers, schedule), momentum=hypers.momentum, nesterov=nesterov),
        )

    return optimizer


def muon(schedule: Schedule | None = None, adam_part: float = 0.02) -> Optimizer:
    """Muon (Jordan et al., 2024) for convolutions: the momentum's nearest semi-orthogonal matrix is the update.

    A kernel [K, L, C, O] counts as a matrix [K L C, O]: each step moves all its directions by the learning rate,
    however small their gradients are, and weight decay takes its part of the kernel. Every other array is moved by Adam
    at `adam_part` of that rate, without decay. Reads the same fields of hypers as `sgd`; the gradient is clipped first.
    """

    def optimizer(hypers: Hypers) -> optax.GradientTransformation:
        rate = _rate(hypers, schedule)
        return optax.chain(
            optax.clip_by_global_norm(hypers.clip_norm),
            optax_muon(
                rate,
                beta=hypers.momentum,
                weight_decay=hypers.weight_decay,
                adam_learning_rate=lambda step: adam_part * rate(step),
                muon_weight_dimension_numbers=_convolutions,
            ),
        )

    return optimizer


def _convolutions(params: optax.Params) -> optax.Params:
    numbers = MuonDimensionNumbers(reduction_axis=(0, 1, 2), output_axis=3)
    return jax.tree.map(lambda leaf: numbers if leaf.ndim == 4 else None, params)


def is_kernel(params: optax.Params) -> optax.Params:
    """True for arrays of two or more axes: what weight decay is for."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def _rate(hypers: Hypers, schedule: Schedule | None) -> optax.Schedule:
    shape = schedule or constant()
    return lambda step: hypers.learning_rate * shape(step)
