"""BERT: a transformer that sees a whole text at once (Devlin et al., 2019)."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.nn.transformer import Layers, TransformerBlock
from mlr_jax.ops.attention import Visible
from mlr_jax.ops.gelu import gelu

EPSILON = 1e-12


class BERT(nn.Module):
    """Tokens [B, L] int -> embeddings of token, position and part, norm -> post-norm blocks -> features [B, L, D].

    mask [B, L] is 0 for padding, which nobody sees; parts [B, L] tell the first of two texts from the second, and are
    all the first where they are None. Other fields are those of `nn/transformer.py`.

    Raises ValueError for more tokens than the context, and as `MultiHeadAttention` does.
    """

    vocabulary: int
    context: int = 512
    depth: int = 4
    heads: int = 4
    width: int = 256
    hidden: int | None = None
    parts: int = 2
    dropout: float = 0.0
    scan: bool = False
    remat: bool = False
    dtype: Any = None

    def setup(self) -> None:
        """Submodules."""
        normal = nn.initializers.normal(0.02)
        self.embedding = self.param("embedding", normal, (self.vocabulary, self.width))
        self.positions = self.param("positions", normal, (self.context, self.width))
        self.kinds = self.param("parts", normal, (self.parts, self.width))
        self.embedding_norm = nn.LayerNorm(epsilon=EPSILON, dtype=self.dtype)
        make = partial(
            TransformerBlock, self.heads, pre_norm=False, hidden=self.hidden, dropout=self.dropout, epsilon=EPSILON,
            kernel_init=normal, out_init=normal, dtype=self.dtype,
        )  # fmt: skip
        self.layers = Layers(make, self.depth, self.scan, self.remat)
        self.drop = nn.Dropout(self.dropout)

    def __call__(
        self,
        tokens: jax.Array,
        *,
        mask: jax.Array | None = None,
        parts: jax.Array | None = None,
        train: bool = False,
    ) -> jax.Array:
        """Features [B, L, D] of each token."""
        length = tokens.shape[1]
        if length > self.context:
            raise ValueError(f"tokens: got {length} in a row, the context has room for {self.context}")
        kind = self.kinds[0].reshape(1, 1, -1) if parts is None else self.kinds[parts]
        x = self.embedding_norm(self.embedding[tokens] + self.positions[:length][None] + kind)
        visible = None if mask is None else _real(mask)
        return self.layers(self.drop(x, deterministic=not train), visible=visible, train=train)


def _real(mask: jax.Array) -> Visible:
    def visible(rows: jax.Array, columns: jax.Array) -> jax.Array:
        return jnp.broadcast_to((mask[:, columns] > 0)[:, None], (len(mask), len(rows), len(columns)))

    return visible


class MaskedLM(nn.Module):
    """BERT and, of the features, logits [B, L, V] of the token that stands there: dense, GELU, norm, the embeddings."""

    encoder: BERT

    def setup(self) -> None:
        """Submodules."""
        encoder = self.encoder
        self.transform = nn.Dense(encoder.width, kernel_init=nn.initializers.normal(0.02), dtype=encoder.dtype)
        self.norm = nn.LayerNorm(epsilon=EPSILON, dtype=encoder.dtype)
        self.bias = self.param("bias", nn.initializers.zeros_init(), (encoder.vocabulary,))

    def __call__(self, tokens: jax.Array, *, mask: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Logits, float32."""
        return self.logits(self.features(tokens, mask=mask, train=train))

    def features(self, tokens: jax.Array, *, mask: jax.Array | None = None, train: bool = False) -> jax.Array:
        """[B, L, D]: what the logits are made of."""
        return self.encoder(tokens, mask=mask, train=train)

    def logits(self, features: jax.Array) -> jax.Array:
        """[..., D] -> [..., V] float32."""
        y = self.norm(gelu(self.transform(features)))
        logits = (y @ self.encoder.embedding.T.astype(y.dtype)).astype(jnp.float32)
        return logits + jnp.expand_dims(self.bias, range(logits.ndim - 1))


def mean_of_tokens(features: jax.Array, mask: jax.Array) -> jax.Array:
    """The mean over the real tokens of each text, features [B, L, D], mask [B, L] -> [B, D]: a sentence's embedding.

    (Reimers & Gurevych, 2019.)
    """
    weight = (mask > 0).astype(features.dtype)[..., None]
    return jnp.sum(features * weight, axis=1) / jnp.maximum(jnp.sum(weight, axis=1), 1.0)
