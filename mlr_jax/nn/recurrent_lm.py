"""A recurrent language model: it reads one token after another, and says how likely each next token is."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.nn.checks import check_widths
from mlr_jax.nn.rnn import GRU, LSTM, Carry, Elman, LayerNormLSTM, Stack

CellName = Literal["lstm", "gru", "elman", "layer_norm_lstm"]

CELLS: Mapping[str, Any] = {"lstm": LSTM, "gru": GRU, "elman": Elman, "layer_norm_lstm": LayerNormLSTM}


class RecurrentLM(nn.Module):
    """Tokens [B, L] int -> embeddings [B, L, E] -> `depth` cells of `width` H, one on another -> logits [B, L, V].

    (Mikolov et al., 2010.) With `dropout`, units of each cell's outputs are dropped, the same ones at all steps of a
    call. A token below 0 is padding: what was read before stays as it is. Logits are float32.

    There is no context to fill: `__call__` begins from nothing, `read` from what was carried on, and with `decode` the
    variables "cache" hold what was read so far, as the functions of `language/decode.py` want it.

    Raises ValueError for a cell of another name and for widths below 1.
    """

    vocabulary: int
    cell: CellName = "lstm"
    depth: int = 2
    width: int = 256
    embedded: int = 64
    dropout: float = 0.0

    context: ClassVar[int] = 2**31 - 1

    def setup(self) -> None:
        """Submodules."""
        check_widths("vocabulary, depth, width, embedded", (self.vocabulary, self.depth, self.width, self.embedded))
        if self.cell not in CELLS:
            raise ValueError(f"cell: got {self.cell!r}, allowed are {', '.join(CELLS)}")
        self.embedding = nn.Embed(self.vocabulary, self.embedded, embedding_init=nn.initializers.normal(1.0))
        self.stack = Stack([CELLS[self.cell](self.width) for _ in range(self.depth)], self.dropout)
        self.output = nn.Dense(self.vocabulary)

    def __call__(
        self,
        tokens: jax.Array,
        *,
        positions: jax.Array | None = None,
        segments: jax.Array | None = None,
        train: bool = False,
        decode: bool = False,
    ) -> jax.Array:
        """Logits of the token that follows each; `positions` are not looked at."""
        return self.logits(self.features(tokens, positions, segments, train=train, decode=decode))

    def features(
        self,
        tokens: jax.Array,
        positions: jax.Array | None = None,
        segments: jax.Array | None = None,
        *,
        train: bool = False,
        decode: bool = False,
    ) -> jax.Array:
        """[B, L, H]: what the logits are made of. Each of the `segments` [B, L] of a packed row begins from nothing."""
        nothing = self.initial(len(tokens))
        if decode:
            carry, features = self.read(self.get_variable("cache", "carried", nothing), tokens)
            self.put_variable("cache", "carried", carry)
            return features
        starts = None if segments is None else jnp.diff(segments, axis=1, prepend=segments[:, :1]) != 0
        return self.read(nothing, tokens, starts, train=train)[1]

    def read(
        self, carry: Carry, tokens: jax.Array, starts: jax.Array | None = None, *, train: bool = False
    ) -> tuple[Carry, jax.Array]:
        """The carry after `tokens` [B, L], the features [B, L, H]; where `starts` [B, L], all before is forgotten."""
        return self.read_embedded(carry, self.embed(tokens), starts, tokens >= 0, train=train)

    def embed(self, tokens: jax.Array) -> jax.Array:
        """[..., E] of tokens [...]."""
        return self.embedding(jnp.maximum(tokens, 0))

    def read_embedded(
        self, carry: Carry, x: jax.Array, starts: jax.Array | None, mask: jax.Array | None, *, train: bool = False
    ) -> tuple[Carry, jax.Array]:
        """The same from embeddings x [B, L, E], whose `mask` is 0 in the padding."""
        by_time: Any = (None if part is None else jnp.swapaxes(part, 0, 1) for part in (x, starts, mask))
        carry, h = self.stack(carry, *by_time, train=train)
        return carry, jnp.swapaxes(h, 0, 1)

    def logits(self, features: jax.Array) -> jax.Array:
        """[..., H] -> [..., V] float32."""
        return self.output(features).astype(jnp.float32)

    def initial(self, rows: int) -> Carry:
        """What is carried before anything was read: leaves [rows, H]."""
        return self.stack.initial(rows)
