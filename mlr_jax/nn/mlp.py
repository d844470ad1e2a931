"""The multi-layer perceptron."""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax

from mlr_jax.nn.checks import check_rate, check_widths


class MLP(nn.Module):
    """x -> flatten -> [Dense, relu, dropout] for each hidden width -> Dense to the outputs.

    x [B, ...]; returns [B, outputs]. Raises ValueError for a width that is not positive and a dropout outside [0, 1).
    """

    hidden: Sequence[int]
    outputs: int
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """Logits [B, outputs] of x [B, ...]; rows do not meet, so `mask` changes nothing."""
        check_widths("hidden", self.hidden)
        check_rate("dropout", self.dropout)
        x = x.reshape(x.shape[0], math.prod(x.shape[1:]))  # -1 would not do for no rows
        for width in self.hidden:
            x = nn.relu(nn.Dense(width)(x))
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.outputs)(x)
