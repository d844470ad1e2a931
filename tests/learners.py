"""Every learner of the package, small: the laws hold for each. A new learner joins with one line in `LEARNERS`."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
from classical import boosting_cases, cluster_cases, kernel_cases, linear_cases, naive_bayes_cases
from generative import diffusion_cases, gan_cases, vae_cases
from graphs import graph_cases, link_cases, node_cases
from language import language_cases, seq2seq_cases, text_cases
from learner_case import Case, Wrap, image_batch
from nn import network_cases
from rl import memory_cases, policy_cases
from supervised import detection_cases
from transfer import transfer_cases

from mlr_jax.core.accumulate import accumulate
from mlr_jax.core.ema import ema
from mlr_jax.core.gradient import gradient_learner, gradient_of
from mlr_jax.core.on_device import on_device
from mlr_jax.core.optimizers import adamw, sgd
from mlr_jax.core.precision import mixed_precision
from mlr_jax.core.schedules import warmup_cosine
from mlr_jax.core.types import Learner
from mlr_jax.data.augment import augment, random_crop, random_flip
from mlr_jax.nn.cnn import CNN
from mlr_jax.nn.mlp import MLP
from mlr_jax.supervised.classification import Hypers as ClassifierHypers
from mlr_jax.supervised.classification import classification


class SgdHypers(NamedTuple):
    """What `sgd` and `classification` read."""

    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 1e-3
    clip_norm: float = 1.0
    label_smoothing: float = 0.1


mlp_task = classification(MLP((16,), 4), (8, 8, 1))
dropout_task = classification(MLP((16,), 4, dropout=0.5), (8, 8, 1))
cnn_task = classification(CNN((4, 8), 4, hidden=16), (8, 8, 1))
augmented_task = augment(mlp_task, partial(random_crop, padding=1), random_flip)
accumulated = {"gradient": lambda task: accumulate(gradient_of(task), 2)}


def learner(task: Any, optimizer: Any = sgd, **keywords: Any) -> Callable[[Wrap], Learner]:
    """A gradient learner, wrapped."""
    return lambda wrap: wrap(gradient_learner(task, optimizer(warmup_cosine(20, 2)), **keywords))


ADAM = {"hypers": ClassifierHypers(3e-3, 1e-2), "other_hypers": ClassifierHypers(1e-3, 0.0, 1.0, 0.1)}
SGD = {"hypers": SgdHypers(), "other_hypers": SgdHypers(0.01, 0.5, 0.0, 10.0, 0.0)}
WHOLE_SET = {"batch": lambda step: image_batch(0, 40), "resident": True, "padded": False}

LEARNERS: dict[str, Case] = {
    "mlp": Case(learner(mlp_task), image_batch, **SGD),
    "mlp adamw": Case(learner(mlp_task, adamw), image_batch, **ADAM, tolerance=1e-3),
    "mlp dropout": Case(learner(dropout_task), image_batch, **SGD, row_keys=True),
    "mlp augmented": Case(learner(augmented_task), image_batch, **SGD, row_keys=True),
    "mlp bfloat16": Case(learner(mixed_precision(mlp_task, jnp.bfloat16)), image_batch, **SGD, tolerance=2e-2),
    "mlp accumulate": Case(learner(mlp_task, **accumulated), image_batch, **SGD, any_rows=False),
    "mlp ema": Case(lambda wrap: ema(learner(mlp_task)(wrap), 0.9), image_batch, **SGD),
    "mlp on device": Case(lambda wrap: on_device(learner(mlp_task)(wrap), 16), **WHOLE_SET, **SGD),
    "cnn": Case(learner(cnn_task), image_batch, **SGD, tolerance=1e-4),
    "cnn bfloat16": Case(learner(mixed_precision(cnn_task)), image_batch, **SGD, tolerance=1e-1),
    **linear_cases.CASES,
    **naive_bayes_cases.CASES,
    **kernel_cases.CASES,
    **cluster_cases.CASES,
    **boosting_cases.CASES,
    **node_cases.CASES,
    **graph_cases.CASES,
    **link_cases.CASES,
    **detection_cases.CASES,
    **transfer_cases.CASES,
    **network_cases.CASES,
    **memory_cases.CASES,
    **policy_cases.CASES,
    **text_cases.CASES,
    **seq2seq_cases.CASES,
    **language_cases.CASES,
    **diffusion_cases.CASES,
    **vae_cases.CASES,
    **gan_cases.CASES,
}
