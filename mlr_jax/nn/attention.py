"""Multi-head attention, for images and for language."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.nn.checks import check_rate
from mlr_jax.ops.attention import Visible, attention, attention_by_blocks, causal_attention
from mlr_jax.ops.flat_product import flat_dot_general
from mlr_jax.ops.rotary import rotate

XAVIER = nn.initializers.xavier_uniform()


class MultiHeadAttention(nn.Module):
    """softmax(Q K' / sqrt(d)) V for each of the heads, side by side, and a product of all (Vaswani et al., 2017).

    x [B, L, D] -> [B, L, D], d = D / heads. One product makes queries, keys and values; with a `context` [B, M, D] keys
    and values are made of that (cross-attention). `visible` says which keys a query may see, all where it is None; a
    query that may see nothing gets the mean of all values.

    kv_heads: heads of keys and values, of which `heads` / `kv_heads` queries share one (grouped queries)
    rotary:   turn queries and keys by their positions [B or 1, L], 0, 1, ... where none are given
    reach:    how many keys before its own a query of x sees at most, where it sees none behind it: fewer products
    block:    attend for so many queries at a time, with memory that grows with L and not with its square. Without
              dropout of weights, which needs them all
    slots:    with `decode`, keys and values are written to the variables "cache" at their positions, `slots` of them,
              and attended to there

    Dropout is of the weights. Raises ValueError where heads do not divide D or kv_heads the heads.
    """

    heads: int
    kv_heads: int | None = None
    rotary: bool = False
    dropout: float = 0.0
    use_bias: bool = True
    reach: int | None = None
    block: int | None = None
    slots: int = 0
    kernel_init: nn.initializers.Initializer = XAVIER
    out_init: nn.initializers.Initializer = XAVIER
    dtype: Any = None

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        context: jax.Array | None = None,
        *,
        visible: Visible | None = None,
        positions: jax.Array | None = None,
        train: bool = False,
        decode: bool = False,
    ) -> jax.Array:
        """Attend from every position of x [B, L, D]."""
        length, width = x.shape[1:]
        groups = self._check(width)
        q, k, v = self._queries_keys_values(x, context, groups)
        positions = jnp.arange(length)[None] if positions is None else positions
        if self.rotary:
            q, k = rotate(q, positions), rotate(k, positions)
        if decode and context is None:
            k, v = self._remembered(k, v, jnp.broadcast_to(positions, x.shape[:2])[:, 0])
        change = nn.Dropout(self.dropout, deterministic=False) if self.dropout > 0 and train else None
        y = self._attended(q, k, v, visible, change=change, is_own=context is None, decode=decode)
        return self._dense(width, "out", self.out_init)(y.reshape(*x.shape[:2], width))

    def _attended(
        self,
        q: jax.Array,
        k: jax.Array,
        v: jax.Array,
        visible: Visible | None,
        *,
        change: Callable[[jax.Array], jax.Array] | None,
        is_own: bool,
        decode: bool,
    ) -> jax.Array:
        """[B, L, heads, d], in the form that takes the least memory or time."""
        if visible is not None and not decode:
            if self.block and change is None:
                return attention_by_blocks(q, k, v, visible=visible, block=self.block, reach=self.reach)
            if self.reach is not None and is_own:
                return causal_attention(q, k, v, visible=visible, reach=self.reach, change_weights=change)
        mask = None if visible is None else visible(jnp.arange(q.shape[1]), jnp.arange(k.shape[1]))
        return attention(q, k, v, mask=mask, change_weights=change)

    def _check(self, width: int) -> int:
        check_rate("dropout", self.dropout)
        if self.heads < 1 or width % self.heads:
            raise ValueError(f"heads: got {self.heads}, must divide the width {width}")
        groups = self.heads if self.kv_heads is None else self.kv_heads
        if groups < 1 or self.heads % groups:
            raise ValueError(f"kv_heads: got {self.kv_heads}, must divide the {self.heads} heads")
        return groups

    def _dense(self, width: int, name: str, kernel_init: Any) -> nn.Dense:
        return nn.Dense(
            width, use_bias=self.use_bias, kernel_init=kernel_init, dtype=self.dtype, dot_general=flat_dot_general,
            name=name,
        )  # fmt: skip

    def _queries_keys_values(
        self, x: jax.Array, context: jax.Array | None, groups: int
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """[B, L, heads, d], and twice [B, M, groups, d]."""
        width = x.shape[2]
        size = width // self.heads
        if context is None:
            joint = self._dense(width + 2 * groups * size, "qkv", self.kernel_init)(x)
            q, k, v = jnp.split(joint, [width, width + groups * size], axis=-1)
        else:
            q = self._dense(width, "q", self.kernel_init)(x)
            k, v = jnp.split(self._dense(2 * groups * size, "kv", self.kernel_init)(context), 2, axis=-1)
        return tuple(part.reshape(*part.shape[:2], -1, size) for part in (q, k, v))  # type: ignore[return-value]

    def _remembered(self, k: jax.Array, v: jax.Array, first: jax.Array) -> tuple[jax.Array, jax.Array]:
        """All keys and values so far, [B, slots, ...], the new ones written from the slot `first` [B] on.

        They are kept by heads, [B, groups, slots, d], as their products want them: turning all for each token takes
        longer than the products.
        """
        if k.shape[1] > self.slots:
            raise ValueError(f"slots: got {self.slots}, too few for {k.shape[1]} tokens at once")
        shape = (k.shape[0], k.shape[2], self.slots, k.shape[3])
        kept = []
        for name, new in (("k", k), ("v", v)):
            memory = self.variable("cache", name, jnp.zeros, shape, new.dtype)
            memory.value = jax.vmap(lambda old, new, at: lax.dynamic_update_slice_in_dim(old, new, at, axis=1))(
                memory.value, jnp.swapaxes(new, 1, 2), first
            )
            kept.append(jnp.swapaxes(memory.value, 1, 2))
        return kept[0], kept[1]
