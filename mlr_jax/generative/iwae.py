"""The importance-weighted autoencoder (Burda, Grosse & Salakhutdinov, 2016): a tighter bound from k samples.

    log p(x) >= L_k(x) = E[log 1/k sum_i w_i],   w_i = p(x, z_i) / q(z_i | x),   z_i drawn from q(z | x)

L_1 is the ELBO, L_k rises with k, and tends to log p(x). Its gradient weighs the samples by w_i: q may be wide, since
one good guess among k is enough.
"""

import math
from typing import NamedTuple

import jax

from mlr_jax.core.types import Batch, Key, Metrics, Task, Variables
from mlr_jax.generative.latent_model import LatentModel, init, unpack
from mlr_jax.generative.likelihood import elbo, iwae_bound, log_weights
from mlr_jax.generative.vae import EVALUATION_KEY
from mlr_jax.ops.masked import masked_mean


class Hypers(NamedTuple):
    """What a sweep can vary, all of it read by the optimizer (`core/optimizers.py: adamw`)."""

    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    clip_norm: float = math.inf


def iwae(model: LatentModel, *, samples: int) -> Task:
    """The task of maximising L_k, in nats, with k = `samples` for each row; the model is one of `generative/vae.py`.

    Batches hold x [B, *shape], y [B] where the model has classes, and may hold mask [B]. Training metrics: the ELBO of
    the same samples. Evaluation: loss (-L_k) and elbo of each row, [B]. Raises ValueError for fewer than one sample.
    """
    if samples < 1:
        raise ValueError(f"samples: got {samples}, must be at least 1")

    def bounds(variables: Variables, batch: Batch, key: Key) -> tuple[jax.Array, jax.Array, jax.Array]:
        x, y, mask = unpack(model, batch)
        weights_KxB = log_weights(model, variables["params"], x, y, key, samples=samples)
        return iwae_bound(weights_KxB, samples), elbo(weights_KxB), mask

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        bound, lower, mask = bounds(variables, batch, key)
        return -masked_mean(bound, mask), (variables, {"elbo": masked_mean(lower, mask)})

    def evaluate(variables: Variables, batch: Batch) -> Metrics:
        bound, lower, _ = bounds(variables, batch, jax.random.key(EVALUATION_KEY))
        return {"loss": -bound, "elbo": lower}

    return Task(lambda key: {"params": init(model, key)}, loss, evaluate)
