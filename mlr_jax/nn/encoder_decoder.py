"""The transformer that reads a whole sequence and writes another (Vaswani et al., 2017)."""

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.core.types import Variables
from mlr_jax.nn.checks import check_widths
from mlr_jax.nn.transformer import Layers, TransformerBlock, make_norm, sinusoids
from mlr_jax.ops.attention import Visible, causal


class Memory(NamedTuple):
    """What was read: features [B, S, D], and which of them are real [B, S]."""

    features: jax.Array
    is_real: jax.Array


class EncoderDecoder(nn.Module):
    """Source tokens [B, S] and the target so far [B, T] -> logits of the target's next tokens [B, T, V], float32.

    Embeddings + sinusoids; `depth` blocks that see the whole source; `depth` blocks that see the target so far, and the
    encoder's features by cross-attention; logits by the target's embeddings. Blocks have their norm before (Xiong et
    al., 2020). `context` is the most tokens of a source or a target; other fields are those of `TransformerBlock`.

    Raises ValueError for more tokens than the context, and as `MultiHeadAttention` does.
    """

    source_vocabulary: int
    target_vocabulary: int
    context: int
    depth: int = 2
    heads: int = 4
    width: int = 128
    hidden: int | None = None
    dropout: float = 0.0
    dtype: Any = None

    def setup(self) -> None:
        """Submodules."""
        check_widths("vocabularies, width", (self.source_vocabulary, self.target_vocabulary, self.width))
        normal = nn.initializers.normal(self.width**-0.5)  # so that logits are of the size of features
        self.source_embedding = self.param("source_embedding", normal, (self.source_vocabulary, self.width))
        self.target_embedding = self.param("target_embedding", normal, (self.target_vocabulary, self.width))
        make = partial(
            TransformerBlock, self.heads, hidden=self.hidden, dropout=self.dropout, slots=self.context, dtype=self.dtype
        )
        self.reader = Layers(make, self.depth)
        self.writer = Layers(partial(make, cross=True, reach=self.context - 1), self.depth)
        self.reader_norm = make_norm("layer", 1e-5, self.dtype, "reader_norm")
        self.writer_norm = make_norm("layer", 1e-5, self.dtype, "writer_norm")
        self.drop = nn.Dropout(self.dropout)

    def __call__(self, x: jax.Array, x_length: jax.Array, y: jax.Array, *, train: bool = False) -> jax.Array:
        """Logits of the token that follows each of y, which are given all at once."""
        return self.decode(self.encode(x, x_length, train=train), y, train=train)

    def encode(self, x: jax.Array, x_length: jax.Array, *, train: bool = False) -> Memory:
        """x [B, S] int, of which x_length [B] are real."""
        is_real = jnp.arange(x.shape[1])[None] < x_length[:, None]
        features = self._embedded(self.source_embedding, x, jnp.arange(x.shape[1])[None], train)
        features = self.reader(features, visible=_real_ones(is_real), train=train)
        return Memory(self.reader_norm(features), is_real)  # type: ignore[operator]

    def decode(
        self,
        memory: Memory,
        y: jax.Array,
        *,
        positions: jax.Array | None = None,
        train: bool = False,
        decode: bool = False,
    ) -> jax.Array:
        """Logits [B, T, V]; with `decode` y stands at `positions` [B, T], behind what the variables "cache" hold."""
        positions = jnp.arange(y.shape[1])[None] if positions is None else positions
        visible = causal()
        before = visible
        if decode:  # queries stand at their positions, keys in the slots of these numbers
            before = lambda rows, columns: jax.vmap(lambda own: visible(own[rows], columns)[0])(positions)  # noqa: E731
        features = self.writer(
            self._embedded(self.target_embedding, y, positions, train), memory.features, visible=before,
            visible_context=_real_ones(memory.is_real), positions=positions, train=train, decode=decode,
        )  # fmt: skip
        features = self.writer_norm(features)  # type: ignore[operator]
        return (features @ self.target_embedding.T.astype(features.dtype)).astype(jnp.float32)

    def _embedded(self, embedding: jax.Array, tokens: jax.Array, positions: jax.Array, train: bool) -> jax.Array:
        if tokens.shape[1] > self.context:
            raise ValueError(f"tokens: got {tokens.shape[1]} in a row, the context has room for {self.context}")
        x = embedding[tokens] * self.width**0.5 + sinusoids(positions, self.width)
        return self.drop(x if self.dtype is None else x.astype(self.dtype), deterministic=not train)


def _real_ones(is_real: jax.Array) -> Visible:
    """Every query sees the real keys, is_real [B, M]."""
    return lambda rows, columns: jnp.repeat(is_real[:, None, columns], len(rows), axis=1)


def alignment(model: Any, variables: Variables, x: jax.Array, x_length: jax.Array, y: jax.Array) -> jax.Array:
    """How much of each source token went into the token that follows each of y: [B, T, S], rows sum to one.

    It is the mean of the weights of cross-attention over the heads of the last block.
    """

    def is_wanted(module: nn.Module, method: str) -> bool:
        return module.path[-3:-1] == (f"block{model.depth - 1}", "cross") and module.name in ("q", "kv")

    called: Any = model.apply(variables, x, x_length, y, capture_intermediates=is_wanted, mutable=["intermediates"])
    products = called[1]["intermediates"]["writer"][f"block{model.depth - 1}"]["cross"]
    q, k = products["q"]["__call__"][0], jnp.split(products["kv"]["__call__"][0], 2, axis=-1)[0]
    q, k = (part.reshape(*part.shape[:2], model.heads, -1) for part in (q, k))
    scores = jnp.einsum("bthd,bshd->bhts", q, k).astype(jnp.float32) * q.shape[-1] ** -0.5
    is_real = jnp.arange(x.shape[1])[None] < x_length[:, None]
    scores = jnp.where(is_real[:, None, None], scores, jnp.finfo(jnp.float32).min)
    return jnp.mean(jax.nn.softmax(scores), axis=1)
