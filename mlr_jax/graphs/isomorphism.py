"""The graph isomorphism network (Xu et al., "How powerful are graph neural networks?", 2019).

It tells apart any two graphs that the Weisfeiler-Lehman test of colours does, since a sum over neighbours, followed by
an MLP, can name every multiset; a mean or a maximum cannot.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.graphs.readout import Readout, sum_nodes
from mlr_jax.nn.checks import check_rate, check_widths
from mlr_jax.nn.norm import BatchNorm
from mlr_jax.ops.graph import GraphsTuple, node_mask
from mlr_jax.ops.segment import segment_sum
from mlr_jax.ops.sparse import neighbour_sum


class GINLayer(nn.Module):
    """h'_v = MLP((1 + epsilon) h_v + sum_{u -> v} h_u), every layer of the MLP with batch normalisation and a relu.

    widths: of the MLP's layers. learn_epsilon: otherwise it is 0, as in the paper's GIN-0. use_edges: neighbours send
    relu(h_u + W e_uv + b) instead, which sees the edges' features (Hu et al., 2020). An edge that is there twice counts
    twice. Raises ValueError for a width that is not positive.
    """

    widths: Sequence[int]
    learn_epsilon: bool = False
    use_edges: bool = False

    @nn.compact
    def __call__(self, graph: GraphsTuple, *, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """nodes [N, F] -> [N, widths[-1]]; moments are those of the nodes whose mask [N] is 1, the others become 0."""
        check_widths("widths", self.widths)
        h = graph.nodes
        epsilon = self.param("epsilon", nn.initializers.zeros_init(), ()) if self.learn_epsilon else 0.0
        if self.use_edges:
            sent = nn.relu(h[graph.senders] + nn.Dense(h.shape[1], name="edge")(graph.edges))
            neighbours = segment_sum(sent, graph.receivers, h.shape[0])
        else:
            neighbours = neighbour_sum(h, graph.senders, graph.receivers)
        h = (1.0 + epsilon) * h + neighbours
        for width in self.widths:
            h = nn.Dense(width, use_bias=False)(h)
            h = nn.relu(BatchNorm()(h, train=train, mask=mask))
        # Padding edges all join one node, which would grow without bound from layer to layer.
        return h if mask is None else jnp.where(mask[:, None] > 0, h, 0.0)


class GIN(nn.Module):
    """Layers of GIN, each read out and scored; the scores of all depths, features included, are added.

    s_g = sum_k dropout(W_k readout(h^k)_g + b_k), with h^0 the features. A padded graph is needed.
    Raises ValueError for a width that is not positive and a dropout outside [0, 1).

    outputs: scores of a graph. widths: of the layers. mlp_layers: of the MLP in each.
    """

    outputs: int
    widths: Sequence[int] = (32, 32, 32, 32)
    mlp_layers: int = 2
    dropout: float = 0.0
    learn_epsilon: bool = False
    use_edges: bool = False
    readout: Readout = sum_nodes

    @nn.compact
    def __call__(self, graph: GraphsTuple, *, train: bool = False) -> jax.Array:
        """Scores [G, outputs] of the graphs, padding graphs included."""
        check_rate("dropout", self.dropout)
        mask = node_mask(graph)
        depths = [graph.nodes]
        for width in self.widths:
            layer = GINLayer((width,) * self.mlp_layers, self.learn_epsilon, self.use_edges)
            depths.append(layer(graph._replace(nodes=depths[-1]), train=train, mask=mask))
        drop = nn.Dropout(self.dropout, deterministic=not train)
        scores = [drop(nn.Dense(self.outputs)(self.readout(graph, h))) for h in depths]
        return sum(scores[1:], start=scores[0])
