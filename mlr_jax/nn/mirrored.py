"""Test-time augmentation: what a model says of an image and of its mirror image, averaged."""

import flax.linen as nn
import jax
import jax.numpy as jnp


class Mirrored(nn.Module):
    """`model`, whose logits in evaluation are the mean of those of x and of x mirrored left to right.

    x [B, H, W, C]; in training it is the model itself. Its variables are those of the model, under the same names.
    """

    model: nn.Module

    def setup(self) -> None:
        """Stand in the model's place."""
        nn.share_scope(self, self.model)

    def __call__(self, x: jax.Array, *, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """Logits [B, outputs] of x [B, H, W, C]."""
        if train:
            return self.model(x, train=True, mask=mask)
        both = self.model(jnp.concatenate([x, x[:, :, ::-1]]))
        return (both[: len(x)] + both[len(x) :]) / 2
