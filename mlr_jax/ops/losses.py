"""Losses of one example; callers vmap. Every one is computed in float32."""

import jax
import jax.numpy as jnp
from jax import lax


def cross_entropy(logits: jax.Array, label: jax.Array, smoothing: jax.Array | float = 0.0) -> jax.Array:
    """-sum_k q_k log softmax(logits)_k with q = (1 - smoothing) label + smoothing / K, in nats.

    logits [K]; label [] int stands for its one-hot vector, label [K] for itself, a distribution; returns []. The
    product with a one-hot vector is a gather, which costs K times less.
    (Label smoothing: Szegedy et al., 2016.)
    """
    logits = logits.astype(jnp.float32)
    logits = logits - lax.stop_gradient(
        jnp.max(logits)
    )  # first, or the differences below lose the digits of the offset
    log_normalizer = jnp.log(jnp.sum(jnp.exp(logits)))
    nll = log_normalizer - (logits[label] if jnp.ndim(label) == 0 else jnp.sum(label * logits))
    uniform = log_normalizer - jnp.mean(logits)
    return (1.0 - smoothing) * nll + smoothing * uniform


def squared_error(prediction: jax.Array, target: jax.Array) -> jax.Array:
    """Mean over the outputs of (prediction - target)^2; both [K], returns []."""
    return jnp.mean(jnp.square(prediction.astype(jnp.float32) - target.astype(jnp.float32)))


def binary_cross_entropy(logit: jax.Array, target: jax.Array) -> jax.Array:
    """-t log s(z) - (1 - t) log (1 - s(z)), s the logistic function; elementwise, target t in [0, 1], in nats."""
    logit = logit.astype(jnp.float32)
    return jax.nn.softplus(logit) - target * logit


def focal_loss(
    logit: jax.Array, target: jax.Array, alpha: jax.Array | float = 0.25, gamma: jax.Array | float = 2.0
) -> jax.Array:
    """-a_t (1 - p_t)^gamma log p_t: cross-entropy that what is well classified hardly enters (Lin et al., 2017).

    Elementwise; target 1 or 0, p_t the probability of the target, a_t = alpha where it is 1, else 1 - alpha.
    """
    logit = logit.astype(jnp.float32)
    towards = jnp.where(target > 0, logit, -logit)  # the logit of p_t
    weight = jnp.where(target > 0, alpha, 1.0 - alpha)
    return weight * jnp.exp(-gamma * jax.nn.softplus(towards)) * jax.nn.softplus(-towards)
