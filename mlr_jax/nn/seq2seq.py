"""A recurrent encoder-decoder that looks back at what it has read (Bahdanau, Cho & Bengio, 2015)."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.core.types import Variables
from mlr_jax.nn.checks import check_rate, check_widths
from mlr_jax.nn.rnn import GRU, Bidirectional


class Memory(NamedTuple):
    """What was read: annotations h_j [B, S, 2 H], their keys U h_j [B, S, H], and which of them are real [B, S]."""

    annotations: jax.Array
    keys: jax.Array
    is_real: jax.Array


class AttentiveStep(nn.Module):
    """One token more: additive attention from the state s, and with what it found a step of a GRU.

    e_j = v' tanh(W s + U h_j),    a = softmax(e),    c = sum_j a_j h_j,    s <- GRU(s, [y, c])
    """

    width: int

    @nn.compact
    def __call__(
        self, s: jax.Array, y: jax.Array, memory: Memory
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array, jax.Array]]:
        """s [B, H], y [B, E] -> the new s, and s, c [B, 2 H] and a [B, S] of this step."""
        query = nn.Dense(self.width, name="query")(s)
        scores = nn.Dense(1, use_bias=False, name="score")(jnp.tanh(query[:, None] + memory.keys))[..., 0]
        scores = jnp.where(memory.is_real, scores.astype(jnp.float32), jnp.finfo(jnp.float32).min)
        weights = jax.nn.softmax(scores).astype(s.dtype)
        found = jnp.einsum("bs,bsd->bd", weights, memory.annotations)
        s, _ = GRU(self.width, name="cell")(s, jnp.concatenate([y, found], axis=-1)[None])
        return s, (s, found, weights)


class RecurrentEncoderDecoder(nn.Module):
    """Source tokens [B, S] and the target so far [B, T] -> logits of the target's next tokens [B, T, V], float32.

    A bidirectional GRU reads; a GRU that begins at tanh(W h_1), h_1 what was read backwards, writes. Logits are made of
    its state, of what attention found and of the token before, by a layer of tanh. `width` is H and of embeddings.
    """

    source_vocabulary: int
    target_vocabulary: int
    width: int = 128
    dropout: float = 0.0

    def setup(self) -> None:
        """Submodules."""
        check_widths("vocabularies, width", (self.source_vocabulary, self.target_vocabulary, self.width))
        check_rate("dropout", self.dropout)
        self.source_embedding = nn.Embed(self.source_vocabulary, self.width)
        self.target_embedding = nn.Embed(self.target_vocabulary, self.width)
        self.reader = Bidirectional(GRU(self.width), GRU(self.width))
        self.first, self.keys = nn.Dense(self.width), nn.Dense(self.width, use_bias=False)
        over_time = nn.scan(
            AttentiveStep, variable_broadcast="params", split_rngs={"params": False}, in_axes=(0, nn.broadcast)
        )
        self.writer = over_time(self.width)
        self.hidden, self.output = nn.Dense(self.width), nn.Dense(self.target_vocabulary)
        self.drop = nn.Dropout(self.dropout)

    def __call__(self, x: jax.Array, x_length: jax.Array, y: jax.Array, *, train: bool = False) -> jax.Array:
        """Logits of the token that follows each of y, which are given all at once."""
        return self.decode(self.encode(x, x_length, train=train), y, train=train)

    def encode(self, x: jax.Array, x_length: jax.Array, *, train: bool = False) -> Memory:
        """x [B, S] int, of which x_length [B] are real."""
        embedded = self.drop(self.source_embedding(x), deterministic=not train)
        h = jnp.swapaxes(self.reader(jnp.swapaxes(embedded, 0, 1), x_length), 0, 1)
        return Memory(h, self.keys(h), jnp.arange(x.shape[1])[None] < x_length[:, None])

    def decode(
        self,
        memory: Memory,
        y: jax.Array,
        *,
        positions: jax.Array | None = None,
        train: bool = False,
        decode: bool = False,
    ) -> jax.Array:
        """Logits [B, T, V]; with `decode` y goes on where the state in the variables "cache" stands."""
        return self._written(memory, y, train, decode)[0]

    def alignment(self, x: jax.Array, x_length: jax.Array, y: jax.Array) -> jax.Array:
        """a: how much of what was read went into the token that follows each of y, [B, T, S]."""
        return self._written(self.encode(x, x_length), y, False, False)[1]

    def _first_state(self, memory: Memory) -> jax.Array:
        return jnp.tanh(self.first(memory.annotations[:, 0, self.width :]))

    def _written(self, memory: Memory, y: jax.Array, train: bool, decode: bool) -> tuple[jax.Array, jax.Array]:
        embedded = self.drop(self.target_embedding(y), deterministic=not train)
        goes_on = decode and self.has_variable("cache", "state")
        s: Any = self.get_variable("cache", "state") if goes_on else self._first_state(memory)
        s, outputs = self.writer(s, jnp.swapaxes(embedded, 0, 1), memory)
        if decode:
            self.put_variable("cache", "state", s)
        states, found, weights = (jnp.swapaxes(part, 0, 1) for part in outputs)
        hidden = jnp.tanh(self.hidden(jnp.concatenate([states, found, embedded], axis=-1)))
        logits = self.output(self.drop(hidden, deterministic=not train))
        return logits.astype(jnp.float32), weights


def alignment(model: Any, variables: Variables, x: jax.Array, x_length: jax.Array, y: jax.Array) -> jax.Array:
    """How much of each source token went into the token that follows each of y: [B, T, S], rows sum to one."""
    weights: jax.Array = model.apply(variables, x, x_length, y, method="alignment")
    return weights
