"""What the first layer of a graph network does with node features, be they dense or a `SparseMatrix`."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.ops.dropout_mask import dropout_mask
from mlr_jax.ops.materialised import materialised
from mlr_jax.ops.sparse import SparseMatrix, matmul

Features = jax.Array | SparseMatrix
"""Node features [N, F]: an array, or a sparse matrix where most are zero, as bags of words are."""


class Linear(nn.Module):
    """x -> x W (+ b), W drawn uniformly with variance 2 / (F + F') (Glorot & Bengio, 2010): x [N, F] -> [N, F']."""

    features: int
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: Features) -> jax.Array:
        """x [N, F], dense or sparse -> [N, features]."""
        kernel = self.param("kernel", nn.initializers.glorot_uniform(), (x.shape[1], self.features), jnp.float32)
        y = matmul(x, kernel)
        if not self.use_bias:
            return y
        return y + self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)[None]


class Dropout(nn.Module):
    """Each value is 0 with probability `rate`, else divided by 1 - rate (Srivastava et al., 2014).

    Of a sparse matrix only stored values are drawn: zeros stay zeros either way.
    """

    rate: float

    @nn.compact
    def __call__(self, x: Features, train: bool) -> Features:
        """x with values dropped where `train`."""
        if not train or self.rate == 0:
            return x
        key = self.make_rng("dropout")
        if isinstance(x, SparseMatrix):
            return x._replace(values=materialised(dropped(key, x.values, self.rate)))
        return dropped(key, x, self.rate)


def dropped(key: jax.Array, values: jax.Array, rate: float) -> jax.Array:
    """The values after dropout, of any shape."""
    kept = dropout_mask(key, 1 - rate, values.shape)
    return jnp.where(kept, values * (1 / (1 - rate)), 0)
