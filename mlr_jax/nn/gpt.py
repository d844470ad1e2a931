"""GPT: a transformer that sees what came before, and says how likely each next token is (Radford et al., 2018)."""

from functools import partial
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.nn.transformer import Layers, TransformerBlock, make_norm, sinusoids
from mlr_jax.ops.attention import Visible, causal, within_segments

SIZES = {"gpt2": (12, 12, 768), "gpt2-medium": (24, 16, 1024), "gpt2-large": (36, 20, 1280), "gpt2-xl": (48, 25, 1600)}
"""Blocks, heads and width."""


class GPT(nn.Module):
    """Tokens [B, L] int -> embeddings + positions -> causal blocks -> norm -> logits [B, L, V] by the embeddings.

    window: how many tokens, its own among them, one may see; all before it where it is None. Other fields are those of
    `TransformerBlock` and `Layers`. Kernels start as normal numbers of deviation 0.02, those that are added to x
    smaller by sqrt(2 layers), as GPT-2's (Radford et al., 2019). Logits are float32.

    positions [B or 1, L] number the tokens in their text, segments [B, L] tell texts apart that are packed into a row.
    With `decode`, the tokens stand at `positions` behind those that the variables "cache" hold already.

    Raises ValueError for more tokens than the context, and as `MultiHeadAttention` does.
    """

    vocabulary: int
    context: int
    depth: int = 4
    heads: int = 4
    width: int = 128
    kv_heads: int | None = None
    position: Literal["learned", "sinusoidal", "rotary"] = "learned"
    norm: Literal["layer", "rms"] = "layer"
    feed_forward: Literal["gelu", "gelu_tanh", "swiglu"] = "gelu"
    hidden: int | None = None
    dropout: float = 0.0
    use_bias: bool = True
    window: int | None = None
    block: int | None = None
    scan: bool = False
    remat: bool = False
    dtype: Any = None

    def setup(self) -> None:
        """Submodules."""
        normal = nn.initializers.normal
        self.embedding = self.param("embedding", normal(0.02), (self.vocabulary, self.width))
        if self.position == "learned":
            self.places = self.param("positions", normal(0.02), (self.context, self.width))
        make = partial(
            TransformerBlock, self.heads, self.kv_heads, rotary=self.position == "rotary", norm=self.norm,
            feed_forward=self.feed_forward, hidden=self.hidden, dropout=self.dropout, use_bias=self.use_bias,
            block=self.block, reach=(self.window or self.context) - 1, slots=self.context,
            kernel_init=normal(0.02), out_init=normal(0.02 / (2 * self.depth) ** 0.5), dtype=self.dtype,
        )  # fmt: skip
        self.layers = Layers(make, self.depth, self.scan, self.remat)
        self.final_norm = make_norm(self.norm, 1e-5, self.dtype, "norm")
        self.drop = nn.Dropout(self.dropout)

    def __call__(
        self,
        tokens: jax.Array,
        *,
        positions: jax.Array | None = None,
        segments: jax.Array | None = None,
        train: bool = False,
        decode: bool = False,
    ) -> jax.Array:
        """Logits of the token that follows each."""
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
        """[B, L, D]: what the logits are made of."""
        length = tokens.shape[1]
        if length > self.context:
            raise ValueError(f"tokens: got {length} in a row, the context has room for {self.context}")
        if positions is None:
            positions = jnp.arange(length)[None]
        x = self.embedding[tokens]
        if self.position == "learned":
            x = x + self.places[positions]
        elif self.position == "sinusoidal":
            x = x + sinusoids(positions, self.width)
        x = self.drop(x if self.dtype is None else x.astype(self.dtype), deterministic=not train)
        visible = self._visible(positions, segments, decode)
        x = self.layers(x, visible=visible, positions=positions, train=train, decode=decode)
        return self.final_norm(x)  # type: ignore[operator]

    def logits(self, features: jax.Array) -> jax.Array:
        """[..., D] -> [..., V] float32."""
        return (features @ self.embedding.T.astype(features.dtype)).astype(jnp.float32)

    def _visible(self, positions: jax.Array, segments: jax.Array | None, decode: bool) -> Visible:
        visible = causal(self.window)
        if decode:  # queries stand at their positions, keys in the slots of these numbers
            return lambda rows, columns: jax.vmap(lambda own: visible(own[rows], columns)[0])(positions)
        return visible if segments is None else within_segments(visible, segments)


def gpt2(size: Literal["gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"] = "gpt2", **options: Any) -> GPT:
    """GPT-2 in one of its four sizes; options are fields of `GPT`. Raises ValueError for another size."""
    if size not in SIZES:
        raise ValueError(f"size: got {size!r}, allowed are {', '.join(SIZES)}")
    depth, heads, width = SIZES[size]
    return GPT(50257, 1024, depth, heads, width, feed_forward="gelu_tanh", **options)
