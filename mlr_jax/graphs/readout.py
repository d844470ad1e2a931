"""Readouts: from the nodes of each graph to one vector for it, whatever their number and order.

Each takes a graph and values h [N, F] of its nodes, and returns [G, F], zeros for a graph without nodes. Padding nodes
belong to a padding graph of their own, and so reach no other.
"""

from collections.abc import Callable

import flax.linen as nn
import jax

from mlr_jax.ops.graph import GraphsTuple, graph_of_node
from mlr_jax.ops.segment import segment_max, segment_mean, segment_softmax, segment_sum

Readout = Callable[[GraphsTuple, jax.Array], jax.Array]
"""graph, h [N, F] -> [G, F]."""


def sum_nodes(graph: GraphsTuple, h: jax.Array) -> jax.Array:
    """r_g = sum_{v in g} h_v. Of the three it alone tells multisets apart (Xu et al., 2019)."""
    return segment_sum(h, graph_of_node(graph), graph.n_node.shape[0])


def mean_nodes(graph: GraphsTuple, h: jax.Array) -> jax.Array:
    """r_g = 1 / |g| sum_{v in g} h_v."""
    return segment_mean(h, graph_of_node(graph), graph.n_node.shape[0])


def max_nodes(graph: GraphsTuple, h: jax.Array) -> jax.Array:
    """r_g = max_{v in g} h_v, elementwise."""
    return segment_max(h, graph_of_node(graph), graph.n_node.shape[0])


class AttentionReadout(nn.Module):
    """r_g = sum_{v in g} a_v (W h_v + b), with a = softmax over g of w . h_v + c (global attention; Li et al., 2016).

    features: the width of the result.
    """

    features: int

    @nn.compact
    def __call__(self, graph: GraphsTuple, h: jax.Array) -> jax.Array:
        """h [N, F] -> [G, features]."""
        owner, num_graphs = graph_of_node(graph), graph.n_node.shape[0]
        weight = segment_softmax(nn.Dense(1, name="score")(h), owner, num_graphs)
        return segment_sum(weight * nn.Dense(self.features, name="value")(h), owner, num_graphs)
