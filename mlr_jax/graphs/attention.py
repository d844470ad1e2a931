"""Attention on graphs: GAT (Veličković et al., 2018) and GATv2 (Brody, Alon & Yahav, 2022).

Layers take a `GraphsTuple` whose nodes are [N, F] (dense or sparse) and return new nodes. They read nodes, senders and
receivers, and attend from each node i to the nodes j with an edge j -> i and to i itself. Attention weights are sown
as "attention" [E + N, heads] into the collection "intermediates": those of the edges in order, then of the nodes.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.graphs.features import Dropout, Features, Linear
from mlr_jax.nn.checks import check_rate, check_widths
from mlr_jax.ops.graph import GraphsTuple
from mlr_jax.ops.materialised import materialised
from mlr_jax.ops.segment import segment_softmax, segment_sum

SLOPE = 0.2
"""Of the leaky relu on negative numbers."""


class GraphAttention(nn.Module):
    """For each head z = X W, e_ij = leaky_relu(a . z_i + b . z_j), alpha_i = softmax_j e_ij, h_i = sum_j alpha_ij z_j.

    With `dynamic` (GATv2) e_ij = a . leaky_relu(z'_i + z_j), z' = X W': which neighbour matters most may then differ
    from node to node. Heads are put side by side, [N, heads * features], or averaged where not `concatenate`,
    [N, features]; a bias is added. In training weights alpha are dropped with probability `dropout`.
    """

    features: int
    heads: int = 1
    concatenate: bool = True
    dropout: float = 0.0
    dynamic: bool = False

    @nn.compact
    def __call__(self, graph: GraphsTuple, train: bool = False) -> jax.Array:
        """Nodes [N, F] -> [N, heads * features] or [N, features]."""
        z = materialised(self._project(graph.nodes, "sender"))
        num_nodes = z.shape[0]
        itself = jnp.arange(num_nodes, dtype=jnp.int32)
        senders = jnp.concatenate([graph.senders, itself])
        receivers = jnp.concatenate([graph.receivers, itself])
        logits = self._dynamic(graph, z, senders, receivers) if self.dynamic else self._static(z, senders, receivers)
        attention = segment_softmax(logits, receivers, num_nodes)
        self.sow("intermediates", "attention", attention)
        kept: Any = Dropout(self.dropout)(attention, train)
        messages = self._over_heads(kept) * z[senders]
        h = materialised(segment_sum(messages, receivers, num_nodes))
        if not self.concatenate:
            h = jnp.mean(h.reshape(num_nodes, self.heads, self.features), axis=1)
        return h + self.param("bias", nn.initializers.zeros, h.shape[1:], jnp.float32)[None]

    def _static(self, z: jax.Array, senders: jax.Array, receivers: jax.Array) -> jax.Array:
        of_receiver = self._sum_in_heads(z * self._weights("of_receiver"))
        of_sender = self._sum_in_heads(z * self._weights("of_sender"))
        return nn.leaky_relu(of_receiver[receivers] + of_sender[senders], SLOPE)

    def _dynamic(self, graph: GraphsTuple, z: jax.Array, senders: jax.Array, receivers: jax.Array) -> jax.Array:
        both = materialised(self._project(graph.nodes, "receiver"))[receivers] + z[senders]
        return self._sum_in_heads(nn.leaky_relu(both, SLOPE) * self._weights("of_edge"))

    def _project(self, x: Features, name: str) -> jax.Array:
        """x W with the heads side by side, [N, heads * features]."""
        return Linear(self.heads * self.features, use_bias=False, name=name)(x)

    def _weights(self, name: str) -> jax.Array:
        """A vector for each head, side by side, [1, heads * features]."""
        return self.param(name, nn.initializers.glorot_uniform(), (self.heads, self.features)).reshape(1, -1)

    def _over_heads(self, x: jax.Array) -> jax.Array:
        """Each head's number at each of its features: [..., heads] -> [..., heads * features].

        As a product with zeros and ones, because sums over a short last axis, of which its gradient would be one, are
        slower by far on a CPU.
        """
        return x @ self._head_of_feature(x.dtype)

    def _sum_in_heads(self, x: jax.Array) -> jax.Array:
        """[..., heads * features] -> [..., heads]."""
        return x @ self._head_of_feature(x.dtype).T

    def _head_of_feature(self, dtype: jnp.dtype) -> jax.Array:
        return jnp.repeat(jnp.eye(self.heads, dtype=dtype), self.features, axis=1)


class GAT(nn.Module):
    """Dropout, attention and elu for each hidden layer, then dropout and attention whose heads are averaged.

    hidden: features of each head of the hidden layers. One layer of 8 features and 8 heads, one output head and a
    dropout of 0.6 are the paper's network for Cora. Raises ValueError for a width or a number of heads that is not
    positive and a dropout outside [0, 1).
    """

    hidden: Sequence[int]
    outputs: int
    heads: int = 8
    output_heads: int = 1
    dropout: float = 0.6
    dynamic: bool = False

    @nn.compact
    def __call__(self, graph: GraphsTuple, train: bool = False) -> jax.Array:
        """Logits [N, outputs] of the nodes [N, F]."""
        check_widths("hidden", self.hidden)
        check_widths("heads", (self.heads, self.output_heads))
        check_rate("dropout", self.dropout)
        x: Features = graph.nodes
        for width in self.hidden:
            x = Dropout(self.dropout)(x, train)
            layer = GraphAttention(width, self.heads, dropout=self.dropout, dynamic=self.dynamic)
            x = nn.elu(layer(graph._replace(nodes=x), train))
        x = Dropout(self.dropout)(x, train)
        layer = GraphAttention(self.outputs, self.output_heads, False, self.dropout, self.dynamic)
        return layer(graph._replace(nodes=x), train)
