"""Multi-head attention, for images and for language."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.nn.checks import check_rate
from mlr_jax.ops.attention import attention


class MultiHeadAttention(nn.Module):
    """softmax(Q K' / sqrt(d)) V for each of the heads, side by side, and a product of all (Vaswani et al., 2017).

    x [B, L, D] -> [B, L, D], d = D / heads. One product makes queries, keys and values. mask [B or 1, L, L] is True
    where a query may see a key; a query that may see nothing gets the mean of all values. Dropout is of the weights.

    Raises ValueError where the heads do not divide D.
    """

    heads: int
    dropout: float = 0.0
    use_bias: bool = True
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, mask: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Attend from every position of x [B, L, D] to all of them."""
        batch, length, width = x.shape
        check_rate("dropout", self.dropout)
        if self.heads < 1 or width % self.heads:
            raise ValueError(f"heads: got {self.heads}, must divide the width {width}")
        joint = nn.Dense(3 * width, use_bias=self.use_bias, kernel_init=XAVIER, dtype=self.dtype, name="qkv")(x)
        q, k, v = jnp.moveaxis(joint.reshape(batch, length, 3, self.heads, -1), 2, 0)
        drop = nn.Dropout(self.dropout, deterministic=not train)
        y = attention(q, k, v, mask=mask, change_weights=drop if self.dropout else None)
        dense = nn.Dense(width, use_bias=self.use_bias, kernel_init=XAVIER, dtype=self.dtype, name="out")
        return dense(y.reshape(batch, length, width))


XAVIER = nn.initializers.xavier_uniform()
