"""Convolutions on graphs: GCN (Kipf & Welling, 2017) and GraphSAGE (Hamilton, Ying & Leskovec, 2017).

Layers take a `GraphsTuple` whose nodes are [N, F] (dense or sparse) and return new nodes [N, F']. They read nodes,
senders and receivers; edge features are not used. Edges are directed, j -> i being a message to i.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.graphs.features import Dropout, Linear
from mlr_jax.nn.checks import check_rate, check_widths
from mlr_jax.ops.graph import GraphsTuple
from mlr_jax.ops.materialised import materialised
from mlr_jax.ops.segment import segment_count, segment_max
from mlr_jax.ops.sparse import neighbour_sum

Aggregate = Literal["mean", "max"]
"""What a node takes from its neighbours."""


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


class SampleAndAggregate(nn.Module):
    """h_i = W x_i + W' aggregate_{j -> i} x_j + b, the aggregate of no neighbours being 0 (Hamilton et al., 2017).

    aggregate: "mean"; or "max", elementwise of relu(W'' x_j + b''), the paper's pooling. Rows are divided by their
    length where `normalise` (algorithm 1, line 7); a row of zeros stays.
    """

    features: int
    aggregate: Aggregate = "mean"
    normalise: bool = False

    @nn.compact
    def __call__(self, graph: GraphsTuple, train: bool = False) -> jax.Array:
        """Nodes [N, F] -> [N, features]."""
        x, num_nodes = graph.nodes, graph.nodes.shape[0]
        if self.aggregate == "mean":  # W' first: x may be sparse, and there are fewer columns to add
            messages = Linear(self.features, use_bias=False, name="neighbours")(x)
            count = segment_count(graph.receivers, num_nodes, messages.dtype)
            found = neighbour_sum(messages, graph.senders, graph.receivers) / jnp.maximum(count, 1)[:, None]
        else:
            pooled = materialised(nn.relu(Linear(self.features, name="pool")(x)))
            greatest = segment_max(pooled[graph.senders], graph.receivers, num_nodes)
            found = Linear(self.features, use_bias=False, name="neighbours")(greatest)
        h = Linear(self.features, name="self")(x) + found
        if not self.normalise:
            return h
        return h * lax.rsqrt(jnp.maximum(jnp.sum(jnp.square(h), axis=1, keepdims=True), 1e-12))


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


class GraphSAGE(nn.Module):
    """Dropout, `SampleAndAggregate` and relu for each hidden width, then dropout and a layer to the outputs.

    With `normalise` hidden rows have length 1. Raises ValueError for a width that is not positive, a dropout outside
    [0, 1) and an aggregate that is not there.
    """

    hidden: Sequence[int]
    outputs: int
    dropout: float = 0.5
    aggregate: Aggregate = "mean"
    normalise: bool = False

    @nn.compact
    def __call__(self, graph: GraphsTuple, train: bool = False) -> jax.Array:
        """Logits [N, outputs] of the nodes [N, F]."""
        check_widths("hidden", self.hidden)
        check_rate("dropout", self.dropout)
        if self.aggregate not in get_args(Aggregate):
            raise ValueError(f"aggregate: got {self.aggregate!r}, allowed are {', '.join(get_args(Aggregate))}")
        x = graph.nodes
        for width in self.hidden:
            x = Dropout(self.dropout)(x, train)
            x = nn.relu(SampleAndAggregate(width, self.aggregate, self.normalise)(graph._replace(nodes=x)))
        x = Dropout(self.dropout)(x, train)
        return SampleAndAggregate(self.outputs, self.aggregate)(graph._replace(nodes=x))
