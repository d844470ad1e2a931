"""The variational autoencoder (Kingma & Welling, 2014; Rezende et al., 2014).

    log p(x) >= ELBO(x) = E_q(z|x)[log p(x | z)] - KL(q(z | x) || p(z)),   z = mean(x) + std(x) noise

The first term asks that x can be made again of z, the second that q tells no more of x than that needs. How the second
is weighed makes the variants: beta (Higgins et al., 2017), its rise from 0 (Bowman et al., 2016) and free bits (Kingma
et al., 2016).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.collectives import data_sum
from mlr_jax.core.types import Batch, Key, Metrics, Task, Variables
from mlr_jax.generative.densities import Likelihood, bernoulli, kl_from_standard_normal
from mlr_jax.generative.latent_model import LatentModel, decode, init, posterior, unpack
from mlr_jax.nn.vae import ConvDecoder, ConvEncoder, DenseDecoder, DenseEncoder
from mlr_jax.ops.masked import masked_mean

EVALUATION_KEY = 0
"""Evaluation draws z too, always the same."""


class Hypers(NamedTuple):
    """What a sweep can vary: the first three are read by the optimizer (`core/optimizers.py: adamw`)."""

    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    clip_norm: float = math.inf
    beta: float = 1.0
    """The weight of the KL divergence."""
    warmup: float = 0.0
    """Steps in which that weight rises from 0 to beta."""
    free_bits: float = 0.0
    """Of the divergence of each latent variable, averaged over the batch: so much of it costs nothing."""


def dense_model(
    shape: Sequence[int],
    *,
    hidden: Sequence[int] = (512,),
    latents: int = 32,
    likelihood: Likelihood = bernoulli,
    classes: int = 0,
) -> LatentModel:
    """Two perceptrons with these widths, in reverse in the decoder; without any both maps are affine."""
    encoder, decoder = DenseEncoder(tuple(hidden), 2 * latents), DenseDecoder(tuple(hidden)[::-1], tuple(shape))
    return LatentModel(encoder, decoder, likelihood, tuple(shape), latents, classes)


def conv_model(
    shape: Sequence[int],
    *,
    widths: Sequence[int] = (32, 64),
    hidden: int = 256,
    latents: int = 32,
    likelihood: Likelihood = bernoulli,
    classes: int = 0,
) -> LatentModel:
    """Convolutions of stride 2 with these widths on the way in, transposed ones on the way out."""
    encoder = ConvEncoder(tuple(widths), hidden, 2 * latents)
    decoder = ConvDecoder(tuple(widths), hidden, tuple(shape))
    return LatentModel(encoder, decoder, likelihood, tuple(shape), latents, classes)


def vae(model: LatentModel) -> Task:
    """The task of maximising the ELBO of x, in nats, of one sample of z for each row.

        loss = mean_b -log p(x_b | z_b) + beta_t sum_j max(mean_b KL_bj, free)

    with beta_t = beta min(1, (t + 1) / warmup) and the divergence in closed form. Batches hold x [B, *shape], y [B]
    where the model has classes, and may hold mask [B]. Training metrics: reconstruction (the first term), kl and beta.
    Evaluation: loss (-ELBO with beta 1, no free bits), reconstruction and kl of each row, [B]. How many steps have been
    taken is kept in the collection "progress".
    """

    def init_variables(key: Key) -> Variables:
        return {"params": init(model, key), "progress": {"step": jnp.zeros(())}}

    def terms(variables: Variables, x: jax.Array, y: jax.Array | None, key: Key) -> tuple[jax.Array, jax.Array]:
        """-log p(x | z), [B], and the divergence of each latent variable, [B, L]."""
        params = variables["params"]
        q = posterior(model, params, x, y)
        return -decode(model, params, q.sample(key), y).log_prob(x), kl_from_standard_normal(q)

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        x, y, mask = unpack(model, batch)
        reconstructions, divergences = terms(variables, x, y, key)
        reconstruction, mean_divergences = masked_mean(reconstructions, mask), _mean_over_batch(divergences, mask)
        taken = variables["progress"]["step"] + 1.0
        beta = hypers.beta * jnp.minimum(taken / jnp.maximum(hypers.warmup, 1.0), 1.0)
        charged = jnp.sum(jnp.maximum(mean_divergences, hypers.free_bits * math.log(2.0)))
        metrics = {"reconstruction": reconstruction, "kl": jnp.sum(mean_divergences), "beta": beta}
        return reconstruction + beta * charged, ({**variables, "progress": {"step": taken}}, metrics)

    def evaluate(variables: Variables, batch: Batch) -> Metrics:
        x, y, _ = unpack(model, batch)
        reconstruction, divergences = terms(variables, x, y, jax.random.key(EVALUATION_KEY))
        kl = jnp.sum(divergences, axis=1)
        return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}

    return Task(init_variables, loss, evaluate)


def _mean_over_batch(values: jax.Array, mask: jax.Array) -> jax.Array:
    """[B, L] -> [L], over the real rows of all devices: what free bits are compared with."""
    total = data_sum(jnp.sum(jnp.where(mask[:, None] > 0, values, 0.0), axis=0))
    return total / jnp.maximum(data_sum(jnp.sum(mask, dtype=jnp.float32)), 1.0)
