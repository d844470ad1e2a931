"""The loss of tokens over a large vocabulary, without the logits of all tokens at once."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.ops.losses import cross_entropy


def token_losses(
    logits_of: Callable[[jax.Array], jax.Array], features: jax.Array, labels: jax.Array, chunk: int | None = None
) -> tuple[jax.Array, jax.Array]:
    """-log softmax(logits)[label] and whether the label has the greatest logit, [N] each.

    features [N, D], labels [N] int, logits_of: features -> logits, row by row. With a chunk the logits of so many
    tokens are made at a time, and again for their gradient: memory is chunk V instead of N V.
    """

    def of(features: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
        logits = logits_of(features)
        return jax.vmap(cross_entropy)(logits, labels), jnp.argmax(logits, axis=-1) == labels

    count = len(labels)
    if chunk is None or chunk >= count:
        return of(features, labels)
    if chunk < 1:
        raise ValueError(f"chunk: got {chunk}, must be at least 1")
    chunks = -(-count // chunk)
    features, labels = (jnp.pad(part, ((0, chunks * chunk - count),) + ((0, 0),) * (part.ndim - 1)) for part in
                        (features, labels))  # fmt: skip
    parts = features.reshape(chunks, chunk, -1), labels.reshape(chunks, chunk)
    losses, hits = lax.map(lambda part: jax.checkpoint(of)(*part), parts)
    return losses.reshape(-1)[:count], hits.reshape(-1)[:count]
