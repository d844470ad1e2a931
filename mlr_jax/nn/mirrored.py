"""Test-time augmentation: what a model says of an image, of its mirror image and of both moved a little, averaged."""

import flax.linen as nn
import jax
import jax.numpy as jnp


class Mirrored(nn.Module):
    """`model`, whose logits in evaluation are the mean of those of x and of x mirrored left to right.

    With a `shift`, half of the weight goes to the same two moved by so many pixels up and to the left, and down and to
    the right, with the edges reflected.

    x [B, H, W, C]; in training it is the model itself. Its variables are those of the model, under the same names.
    Raises ValueError for a shift outside of 0 to the smaller side less 1.
    """

    model: nn.Module
    shift: int = 0

    def setup(self) -> None:
        """Stand in the model's place."""
        nn.share_scope(self, self.model)

    def __call__(self, x: jax.Array, *, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """Logits [B, outputs] of x [B, H, W, C]."""
        height, width = x.shape[1:3]
        if not 0 <= self.shift < min(height, width):
            raise ValueError(f"shift: got {self.shift}, allowed are 0 to {min(height, width) - 1} for these images")
        if train:
            return self.model(x, train=True, mask=mask)
        logits = self._of_both(x)
        if not self.shift:
            return logits
        by = (self.shift, self.shift)
        wider = jnp.pad(x, ((0, 0), by, by, (0, 0)), mode="reflect")
        moved = self._of_both(wider[:, :height, :width]) + self._of_both(wider[:, -height:, -width:])
        return logits / 2 + moved / 4

    def _of_both(self, x: jax.Array) -> jax.Array:
        both = self.model(jnp.concatenate([x, x[:, :, ::-1]]))
        return (both[: len(x)] + both[len(x) :]) / 2
