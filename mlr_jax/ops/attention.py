"""Scaled dot-product attention of a batch of sequences, as products that are fast on a CPU and on an accelerator."""

from collections.abc import Callable
from itertools import pairwise

import jax
import jax.numpy as jnp
from jax import lax

Visible = Callable[[jax.Array, jax.Array], jax.Array]
"""Numbers of queries [L] and of keys [M] -> which of the keys each query may see, [B or 1, L, M] bool."""

LONG_ROWS = 96
"""Rows of so many queries are worth cutting in two on a CPU."""


def attention(
    q_BxLxHxd: jax.Array,
    k_BxMxGxd: jax.Array,
    v_BxMxGxd: jax.Array,
    *,
    mask: jax.Array | None = None,
    change_weights: Callable[[jax.Array], jax.Array] | None = None,
) -> jax.Array:
    """y = softmax(q k' / sqrt(d) + log mask) v for each sequence and head; returns [B, L, H, d].

    Where there are fewer heads of keys and values than of queries, H / G heads in a row share one (Ainslie et al.,
    2023). mask [B or 1, L, M] is True where a query may see a key. Scores and their softmax are float32. The weights
    are divided by their sum after the product with v, of which there are fewer than weights, unless `change_weights`
    (such as dropout) has to see them: [B, H, L, M]. A query that may see nothing gets the mean of all values.

    (Vaswani et al., 2017.) Raises ValueError where the shapes do not fit.
    """
    _check(q_BxLxHxd, k_BxMxGxd, v_BxMxGxd, mask)
    batch, length, heads, size = q_BxLxHxd.shape
    keys, groups = k_BxMxGxd.shape[1:3]
    shared = heads // groups
    q = q_BxLxHxd.reshape(batch, length, groups, shared, size).transpose(0, 2, 3, 1, 4)
    k, v = (jnp.swapaxes(part, 1, 2) for part in (k_BxMxGxd, v_BxMxGxd))
    q = q.reshape(batch, groups, shared * length, size) * size**-0.5
    scores = jnp.matmul(q, jnp.swapaxes(k, 2, 3)).astype(jnp.float32)
    scores = scores.reshape(batch, groups, shared, length, keys)
    if mask is not None:
        scores = jnp.where(mask[:, None, None], scores, jnp.finfo(jnp.float32).min)
    weights = jnp.exp(scores - lax.stop_gradient(jnp.max(scores, axis=-1, keepdims=True)))
    total = jnp.sum(weights, axis=-1, keepdims=True)
    if change_weights is not None:
        by_head = (weights / total).reshape(batch, heads, length, keys)
        weights, total = change_weights(by_head).reshape(weights.shape), jnp.ones_like(total)
    y = jnp.matmul(weights.astype(v.dtype).reshape(batch, groups, shared * length, keys), v)
    y = y.reshape(batch, groups, shared, length, size) / total.astype(v.dtype)
    return y.transpose(0, 3, 1, 2, 4).reshape(batch, length, heads, size)


def causal_attention(
    q_BxLxHxd: jax.Array,
    k_BxLxGxd: jax.Array,
    v_BxLxGxd: jax.Array,
    *,
    visible: Visible,
    reach: int,
    change_weights: Callable[[jax.Array], jax.Array] | None = None,
    parts: int | None = None,
) -> jax.Array:
    """The same, where no query sees a key behind its own, or one more than `reach` before it.

    The rows are cut into `parts`, each multiplied with no more keys than its queries may see: in two parts three
    quarters of the products are left, in many a half. None takes two for long rows on a CPU, else one. Raises
    ValueError for a reach below 0, for parts that are not 1 to L, and where there are not as many keys as queries.
    """
    length = q_BxLxHxd.shape[1]
    if parts is None:
        parts = 2 if jax.default_backend() == "cpu" and length >= LONG_ROWS else 1
    if reach < 0 or not 1 <= parts <= length or k_BxLxGxd.shape[1] != length:
        keys = k_BxLxGxd.shape[1]
        raise ValueError(f"attention: got reach={reach}, parts={parts} for {length} queries and {keys} keys")

    def of_part(begin: int, end: int) -> jax.Array:
        first = max(0, begin - reach)
        k, v = (part[:, first:end] for part in (k_BxLxGxd, v_BxLxGxd))
        mask = visible(jnp.arange(begin, end), jnp.arange(first, end))
        return attention(q_BxLxHxd[:, begin:end], k, v, mask=mask, change_weights=change_weights)

    bounds = [length * part // parts for part in range(parts + 1)]
    return jnp.concatenate([of_part(begin, end) for begin, end in pairwise(bounds)], axis=1)


def attention_by_blocks(
    q_BxLxHxd: jax.Array,
    k_BxMxGxd: jax.Array,
    v_BxMxGxd: jax.Array,
    *,
    visible: Visible,
    block: int = 256,
    reach: int | None = None,
) -> jax.Array:
    """The same, `block` queries at a time, and again for their gradient: memory grows with L and M, not with L M.

    Where no query sees more than its own key and the `reach` before it, as in a sliding window, only these are
    multiplied, and time grows with L reach. (Rabe & Staats, 2021.) Raises ValueError for a block below 1, and for a
    reach where there are not as many keys as queries.
    """
    batch, length = q_BxLxHxd.shape[:2]
    keys = k_BxMxGxd.shape[1]
    if block < 1 or (reach is not None and (reach < 0 or keys != length)):
        raise ValueError(f"attention: got block={block}, reach={reach} for {length} queries and {keys} keys")
    count = -(-length // block)
    padded = jnp.pad(q_BxLxHxd, ((0, 0), (0, count * block - length), (0, 0), (0, 0)))
    blocks = jnp.moveaxis(padded.reshape(batch, count, block, *q_BxLxHxd.shape[2:]), 1, 0)
    width = keys if reach is None else min(keys, reach + block)

    @jax.checkpoint
    def of_block(q: jax.Array, index: jax.Array) -> jax.Array:
        first = index * block
        begin = jnp.zeros_like(first) if reach is None or width == keys else jnp.clip(first - reach, 0, keys - width)
        k, v = (lax.dynamic_slice_in_dim(part, begin, width, axis=1) for part in (k_BxMxGxd, v_BxMxGxd))
        rows = jnp.minimum(first + jnp.arange(block), length - 1)
        return attention(q, k, v, mask=visible(rows, begin + jnp.arange(width)))

    y = lax.map(lambda given: of_block(*given), (blocks, jnp.arange(count)))
    return jnp.moveaxis(y, 0, 1).reshape(batch, count * block, *q_BxLxHxd.shape[2:])[:, :length]


def causal(window: int | None = None) -> Visible:
    """Each query sees the key of its own number and those before it, at most `window` in all."""
    if window is not None and window < 1:
        raise ValueError(f"window: got {window}, must be at least 1")

    def visible(rows: jax.Array, columns: jax.Array) -> jax.Array:
        behind = rows[:, None] - columns[None]
        return ((behind >= 0) & (behind < window) if window else behind >= 0)[None]

    return visible


def within_segments(visible: Visible, segments_BxL: jax.Array) -> Visible:
    """And only keys of the query's own segment, such as a document of those that are packed into a row."""

    def of_segment(rows: jax.Array, columns: jax.Array) -> jax.Array:
        own, others = segments_BxL[:, rows], segments_BxL[:, columns]
        return visible(rows, columns) & (own[:, :, None] == others[:, None, :])

    return of_segment


def _check(q: jax.Array, k: jax.Array, v: jax.Array, mask: jax.Array | None) -> None:
    fits = q.ndim == 4 and k.ndim == 4 and k.shape == v.shape and q.shape[0] == k.shape[0] and q.shape[3] == k.shape[3]
    if not fits or not k.shape[2] or q.shape[2] % k.shape[2]:
        raise ValueError(
            f"attention: got q {q.shape}, k {k.shape}, v {v.shape}; wanted [B, L, H, d], and [B, M, G, d], G dividing H"
        )
    allowed = [(rows, q.shape[1], k.shape[1]) for rows in (1, q.shape[0])]
    if mask is not None and mask.shape not in allowed:
        raise ValueError(f"mask: got {mask.shape}, allowed are {allowed[0]} and {allowed[1]}")
