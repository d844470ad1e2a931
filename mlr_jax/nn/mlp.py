"""The multi-layer perceptron."""

from collections.abc import Sequence

import flax.linen as nn
import jax


class MLP(nn.Module):
    """x -> flatten -> [Dense, relu, dropout] for each hidden width -> Dense to the outputs.

    x [B, ...]; returns [B, outputs].
    """

    hidden: Sequence[int]
    outputs: int
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """Logits [B, outputs] of x [B, ...]; rows do not meet, so `mask` changes nothing."""
        x = x.reshape(x.shape[0], -1)
        for width in self.hidden:
            x = nn.relu(nn.Dense(width)(x))
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.outputs)(x)
