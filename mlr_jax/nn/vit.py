"""The vision transformer: an image as a sequence of patches."""

from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.nn.attention import XAVIER, MultiHeadAttention
from mlr_jax.nn.checks import check_rate
from mlr_jax.nn.convolution import Conv
from mlr_jax.ops.gelu import gelu

Pooling = Literal["token", "mean"]

SIZES = {"tiny": (192, 12, 3), "small": (384, 12, 6), "base": (768, 12, 12)}
"""Width, blocks and heads (Dosovitskiy et al., 2021; Touvron et al., 2021)."""


class EncoderBlock(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x)): the pre-norm transformer block without a causal mask.

    x [B, L, D] -> [B, L, D]; the MLP has one hidden layer of 4 D and GELU by the error function.
    """

    heads: int
    dropout: float = 0.0
    epsilon: float = 1e-6
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """One block."""
        width = x.shape[-1]

        def norm(name: str) -> nn.LayerNorm:
            return nn.LayerNorm(epsilon=self.epsilon, dtype=self.dtype, name=name)

        def dense(width: int, name: str) -> nn.Dense:
            return nn.Dense(width, kernel_init=XAVIER, dtype=self.dtype, name=name)

        drop = nn.Dropout(self.dropout, deterministic=not train)
        attend = MultiHeadAttention(self.heads, dtype=self.dtype, name="attention")
        x = x + drop(attend(norm("attention_norm")(x), train=train))
        hidden = gelu(dense(4 * width, "hidden")(norm("mlp_norm")(x)))
        return x + drop(dense(width, "output")(drop(hidden)))


class ViT(nn.Module):
    """Patches -> linear map + learned positions -> blocks -> norm -> Dense (Dosovitskiy et al., 2021).

    x [B, H, W, C] -> logits [B, outputs]. Patches are patch x patch pixels, L = H W / patch^2 of them. The classifier
    sees a learned token that stands before the patches ("token") or the mean over the patches ("mean"). With remat the
    backward pass computes each block again instead of storing what is inside it; logits are float32.

    Raises ValueError where patches do not tile the image, heads do not divide the width, a dropout is not in [0, 1).
    """

    outputs: int
    patch: int = 16
    width: int = 192
    depth: int = 12
    heads: int = 3
    pooling: Pooling = "token"
    dropout: float = 0.0
    dtype: Any = None
    remat: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """Logits [B, outputs] of x [B, H, W, C]; rows do not see each other, so the mask of rows changes nothing."""
        check_rate("dropout", self.dropout)
        if x.shape[1] % self.patch or x.shape[2] % self.patch:
            raise ValueError(f"patch: got {self.patch}, must divide both sides of images of {x.shape[1:3]}")
        embed = Conv(
            self.width, self.patch, self.patch, "VALID", use_bias=True, kernel_init=nn.initializers.lecun_normal(),
            dtype=self.dtype, name="embedding",
        )  # fmt: skip
        tokens = embed(x).reshape(len(x), -1, self.width)
        if self.pooling == "token":
            token = self.param("token", nn.initializers.zeros_init(), (1, 1, self.width)).astype(tokens.dtype)
            tokens = jnp.concatenate([jnp.broadcast_to(token, (len(x), 1, self.width)), tokens], axis=1)
        places = self.param("positions", nn.initializers.normal(0.02), (1, *tokens.shape[1:]))
        y = nn.Dropout(self.dropout, deterministic=not train)(tokens + places.astype(tokens.dtype))
        block = nn.remat(EncoderBlock, static_argnums=(2,)) if self.remat else EncoderBlock
        for index in range(self.depth):
            y = block(self.heads, self.dropout, dtype=self.dtype, name=f"block{index}")(y, train)
        y = nn.LayerNorm(epsilon=1e-6, dtype=self.dtype, name="norm")(y)
        summary = y[:, 0] if self.pooling == "token" else jnp.mean(y, axis=1)
        head = nn.Dense(self.outputs, kernel_init=nn.initializers.zeros_init(), name="head")
        return head(summary.astype(jnp.float32))


def vit(size: Literal["tiny", "small", "base"], outputs: int, **options: Any) -> ViT:
    """ViT-Ti, ViT-S or ViT-B; options are fields of `ViT`. Raises ValueError for another size."""
    if size not in SIZES:
        raise ValueError(f"size: got {size!r}, allowed are {', '.join(SIZES)}")
    width, depth, heads = SIZES[size]
    return ViT(outputs, width=width, depth=depth, heads=heads, **options)
