"""The transformer block in the forms that GPT, BERT and encoder-decoders are made of, and stacks of it."""

from collections.abc import Callable
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.nn.attention import XAVIER, MultiHeadAttention
from mlr_jax.ops.attention import Visible
from mlr_jax.ops.flat_product import flat_dot_general
from mlr_jax.ops.gelu import gelu


class TransformerBlock(nn.Module):
    """Attention, then a perceptron at each position, each with a norm and around it a sum: x [B, L, D] -> [B, L, D].

    pre-norm:  x <- x + f(norm(x)) (GPT-2),  post-norm: x <- norm(x + f(x)) (Vaswani et al., 2017; BERT)
    feed_forward: "gelu" by the error function, "gelu_tanh" by its approximation, "swiglu": silu(W x) * V x
                  (Shazeer, 2020)
    norm: "layer", or "rms" without a mean and a bias (Zhang & Sennrich, 2019)
    cross: attend to a `context` [B, M, D] too, between the two

    Other fields are those of `MultiHeadAttention`. Raises ValueError as it does.
    """

    heads: int
    kv_heads: int | None = None
    rotary: bool = False
    pre_norm: bool = True
    norm: Literal["layer", "rms"] = "layer"
    feed_forward: Literal["gelu", "gelu_tanh", "swiglu"] = "gelu"
    hidden: int | None = None
    cross: bool = False
    dropout: float = 0.0
    use_bias: bool = True
    epsilon: float = 1e-5
    block: int | None = None
    reach: int | None = None
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
        visible_context: Visible | None = None,
        positions: jax.Array | None = None,
        train: bool = False,
        decode: bool = False,
    ) -> jax.Array:
        """One block."""
        drop = nn.Dropout(self.dropout, deterministic=not train)

        def around(name: str, x: jax.Array, function: Callable[[jax.Array], jax.Array]) -> jax.Array:
            norm = make_norm(self.norm, self.epsilon, self.dtype, f"{name}_norm")
            return x + drop(function(norm(x))) if self.pre_norm else norm(x + drop(function(x)))

        x = around(
            "attention", x,
            lambda x: self._attention("attention")(
                x, visible=visible, positions=positions, train=train, decode=decode
            ),
        )  # fmt: skip
        if self.cross:
            x = around("cross", x, lambda x: self._attention("cross")(x, context, visible=visible_context, train=train))
        return around("mlp", x, self._perceptron)

    def _attention(self, name: str) -> MultiHeadAttention:
        is_own = name == "attention"
        return MultiHeadAttention(
            self.heads, self.kv_heads, rotary=self.rotary and is_own, dropout=self.dropout, use_bias=self.use_bias,
            block=self.block if is_own else None, reach=self.reach, slots=self.slots, kernel_init=self.kernel_init,
            out_init=self.out_init, dtype=self.dtype, name=name,
        )  # fmt: skip

    def _perceptron(self, x: jax.Array) -> jax.Array:
        width = x.shape[-1]
        hidden = 4 * width if self.hidden is None else self.hidden

        def dense(width: int, name: str, kernel_init: Any = self.kernel_init) -> nn.Dense:
            return nn.Dense(
                width, use_bias=self.use_bias, kernel_init=kernel_init, dtype=self.dtype, dot_general=flat_dot_general,
                name=name,
            )  # fmt: skip

        y = dense(hidden, "hidden")(x)
        if self.feed_forward == "swiglu":
            y = nn.silu(dense(hidden, "gate")(x)) * y
        else:
            y = nn.gelu(y) if self.feed_forward == "gelu_tanh" else gelu(y)
        return dense(width, "output", self.out_init)(y)


def make_norm(kind: str, epsilon: float, dtype: Any, name: str) -> nn.Module:
    """A layer norm or a root-mean-square norm. Raises ValueError for another kind."""
    if kind not in ("layer", "rms"):
        raise ValueError(f"norm: got {kind!r}, allowed are layer, rms")
    return (nn.LayerNorm if kind == "layer" else nn.RMSNorm)(epsilon=epsilon, dtype=dtype, name=name)


class Layers(nn.Module):
    """`depth` blocks on top of one another, called as one block is.

    With `scan` they are one compiled body, whose parameters have a leading axis of layers; with `remat` the backward
    pass computes each block again instead of storing what is inside it.
    """

    make: Callable[..., nn.Module]
    depth: int
    scan: bool = False
    remat: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, context: jax.Array | None = None, **options: Any) -> jax.Array:
        """x [B, L, D] -> [B, L, D]."""

        def body(block: Any, x: jax.Array) -> jax.Array:
            return block(x, context, **options)

        body = nn.remat(body, prevent_cse=not self.scan) if self.remat else body
        if self.scan:
            over_layers = nn.scan(
                lambda block, x, _: (body(block, x), None),
                variable_axes={"params": 0, "cache": 0},
                split_rngs={"params": True, "dropout": True},
                length=self.depth,
            )
            return over_layers(self.make(name="blocks"), x, None)[0]
        for index in range(self.depth):
            x = body(self.make(name=f"block{index}"), x)
        return x


def sinusoids(positions: jax.Array, width: int) -> jax.Array:
    """sin(t / 10000^(2 i / D)) and cos of the same, in turn, of positions t [...] (Vaswani et al., 2017): [..., D].

    Near positions get near vectors, at the scale of each rate.
    """
    rates = 10_000.0 ** (-jnp.arange(0, width, 2) / width)
    angles = jnp.expand_dims(positions, -1) * rates.reshape((1,) * positions.ndim + (-1,))
    return jnp.stack([jnp.sin(angles), jnp.cos(angles)], axis=-1).reshape(*positions.shape, -1)[..., :width]
