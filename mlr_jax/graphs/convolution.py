"""Convolutions on graphs: GCN (Kipf & Welling, 2017) and GraphSAGE (Hamilton, Ying & Leskovec, 2017).

Layers take a `GraphsTuple` whose nodes are [N, F] (dense or sparse) and return new nodes [N, F']. They read nodes,
senders and receivers; edge features are not used. Edges are directed, j -> i being a message to i.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.graphs.features import Dropout, Linear
from mlr_jax.nn.checks import check_rate, check_widths
from mlr_jax.ops.graph import GraphsTuple
from mlr_jax.ops.segment import segment_count
from mlr_jax.ops.sparse import neighbour_sum


class GraphConvolution(nn.Module):
    """H = D^-1/2 (A + I) D^-1/2 X W (+ b) with A_ij the number of edges j -> i and D_ii = 1 + sum_j A_ij.

    A self loop among the edges counts beside the one that is added. (Kipf & Welling, 2017, equation 2.)
    """

    features: int
    use_bias: bool = True

    @nn.compact
    def __call__(self, graph: GraphsTuple, train: bool = False) -> jax.Array:
        """Nodes [N, F] -> [N, features]."""
        x = Linear(self.features, use_bias=False)(graph.nodes)
        degree = 1 + segment_count(graph.receivers, x.shape[0], x.dtype)
        scale = lax.rsqrt(degree)[:, None]
        y = scale * (scale * x + neighbour_sum(scale * x, graph.senders, graph.receivers))
        if not self.use_bias:
            return y
        return y + self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)[None]


class GCN(nn.Module):
    """Dropout, convolution and relu for each hidden width, then dropout and a convolution to the outputs.

    Two layers of width 16 with a dropout of 0.5 are the network of the paper. Raises ValueError for a width that is
    not positive and a dropout outside [0, 1).
    """

    hidden: Sequence[int]
    outputs: int
    dropout: float = 0.5
    use_bias: bool = True

    @nn.compact
    def __call__(self, graph: GraphsTuple, train: bool = False) -> jax.Array:
        """Logits [N, outputs] of the nodes [N, F]."""
        check_widths("hidden", self.hidden)
        check_rate("dropout", self.dropout)
        x = graph.nodes
        for width in self.hidden:
            x = Dropout(self.dropout)(x, train)
            x = nn.relu(GraphConvolution(width, self.use_bias)(graph._replace(nodes=x)))
        x = Dropout(self.dropout)(x, train)
        return GraphConvolution(self.outputs, self.use_bias)(graph._replace(nodes=x))
