"""Scaled dot-product attention of a batch of sequences, as products that are fast on a CPU and on an accelerator."""

from collections.abc import Callable

import jax
import jax.numpy as jnp


def attention(
    q_BxLxHxd: jax.Array,
    k_BxMxHxd: jax.Array,
    v_BxMxHxd: jax.Array,
    *,
    mask: jax.Array | None = None,
    change_weights: Callable[[jax.Array], jax.Array] | None = None,
) -> jax.Array:
    """y = softmax(q k' / sqrt(d) + log mask) v for each sequence and head; returns [B, L, H, d].

    mask [B or 1, L, M] is True where a query may see a key. Scores and their softmax are float32. The weights are
    divided by their sum after the product with v, of which there are fewer than weights, unless `change_weights` (such
    as dropout) has to see them: [B, H, L, M]. A query that may see nothing gets the mean of all values.

    (Vaswani et al., 2017.) Raises ValueError where the shapes do not fit.
    """
    _check(q_BxLxHxd, k_BxMxHxd, v_BxMxHxd, mask)
    q, k, v = (jnp.swapaxes(part, 1, 2) for part in (q_BxLxHxd, k_BxMxHxd, v_BxMxHxd))
    scores = jnp.matmul(q * q.shape[-1] ** -0.5, jnp.swapaxes(k, 2, 3)).astype(jnp.float32)
    if mask is not None:
        scores = jnp.where(mask[:, None], scores, jnp.finfo(jnp.float32).min)
    weights = jnp.exp(scores - jax.lax.stop_gradient(jnp.max(scores, axis=-1, keepdims=True)))
    total = jnp.sum(weights, axis=-1, keepdims=True)
    if change_weights is None:
        y = jnp.matmul(weights.astype(v.dtype), v) / total.astype(v.dtype)
    else:
        y = jnp.matmul(change_weights(weights / total).astype(v.dtype), v)
    return jnp.swapaxes(y, 1, 2)


def _check(q: jax.Array, k: jax.Array, v: jax.Array, mask: jax.Array | None) -> None:
    if q.ndim != 4 or k.shape != v.shape or k.ndim != 4 or q.shape[0] != k.shape[0] or q.shape[2:] != k.shape[2:]:
        raise ValueError(f"attention: got q {q.shape}, k {k.shape}, v {v.shape}; wanted [B, L, H, d], and [B, M, H, d]")
    allowed = [(rows, q.shape[1], k.shape[1]) for rows in (1, q.shape[0])]
    if mask is not None and mask.shape not in allowed:
        raise ValueError(f"mask: got {mask.shape}, allowed are {allowed[0]} and {allowed[1]}")
