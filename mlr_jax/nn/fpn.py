"""The feature pyramid: what the deep, coarse maps of a network know, brought to the shallow, fine ones."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.nn.convolution import Conv


class FPN(nn.Module):
    """P_i = conv3x3(M_i), M_i = conv1x1(C_i) + upsampled M_{i+1}, from the coarsest map down (Lin et al., 2017).

    maps: C_i [B, H_i, W_i, C], finest first, each half as large as the one before (rounded up); returns as many maps of
    `channels`. Upsampling repeats pixels. Raises ValueError for maps of other sizes.
    """

    channels: int

    @nn.compact
    def __call__(self, maps: Sequence[jax.Array]) -> list[jax.Array]:
        """The pyramid's maps, finest first."""
        merged = [Conv(self.channels, 1, use_bias=True, name=f"lateral_{i}")(c) for i, c in enumerate(maps)]
        for i in range(len(maps) - 2, -1, -1):
            merged[i] = merged[i] + _doubled(merged[i + 1], merged[i].shape[1], merged[i].shape[2])
        return [Conv(self.channels, 3, use_bias=True, name=f"output_{i}")(m) for i, m in enumerate(merged)]


def _doubled(x: jax.Array, height: int, width: int) -> jax.Array:
    """x [B, h, w, C] with every pixel twice in both directions, cut to [B, height, width, C]."""
    batch, h, w, channels = x.shape
    if (h, w) != (-(-height // 2), -(-width // 2)):
        raise ValueError(f"maps: got one of {(h, w)} after one of {(height, width)}, wanted half of it, rounded up")
    doubled = jnp.broadcast_to(x[:, :, None, :, None], (batch, h, 2, w, 2, channels))
    return doubled.reshape(batch, 2 * h, 2 * w, channels)[:, :height, :width]
