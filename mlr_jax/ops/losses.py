"""Losses of one example; callers vmap. Every one is computed in float32."""

import jax
import jax.numpy as jnp
from jax import lax


def cross_entropy(logits: jax.Array, label: jax.Array, smoothing: jax.Array | float = 0.0) -> jax.Array:
    """-sum_k q_k log softmax(logits)_k with q = (1 - smoothing) onehot(label) + smoothing / K, in nats.

    logits [K], label [] int; returns []. The product with a one-hot vector is a gather, which costs K times less.
    (Label smoothing: Szegedy et al., 2016.)
    """
    logits = logits.astype(jnp.float32)
    logits = logits - lax.stop_gradient(
        jnp.max(logits)
    )  # first, or the differences below lose the digits of the offset
    log_normalizer = jnp.log(jnp.sum(jnp.exp(logits)))
    nll = log_normalizer - logits[label]
    uniform = log_normalizer - jnp.mean(logits)
    return (1.0 - smoothing) * nll + smoothing * uniform


def squared_error(prediction: jax.Array, target: jax.Array) -> jax.Array:
    """Mean over the outputs of (prediction - target)^2; both [K], returns []."""
    return jnp.mean(jnp.square(prediction.astype(jnp.float32) - target.astype(jnp.float32)))
