"""The full Graph Network block (Battaglia et al., "Relational inductive biases", 2018), through jraph.

Edges, nodes and whole graphs have features and all are updated, each by an MLP of its own:

    e'_k = f_e(e_k, v_sender, v_receiver, u)      for each edge
    v'_i = f_v(sum_{k -> i} e'_k, v_i, u)         for each node
    u'   = f_u(sum_k e'_k, sum_i v'_i, u)         for each graph
"""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.nn.checks import check_widths
from mlr_jax.ops.graph import GraphsTuple, apply_graph_network, zero_padding
from mlr_jax.ops.segment import segment_sum

Aggregation = Callable[[jax.Array, jax.Array, int], jax.Array]
"""values [E, F], segments [E], number of segments -> [segments, F]."""


class GraphNetworkBlock(nn.Module):
    """One block: a graph in, a graph with the same edges out, all of whose features are new.

    Parts that the graph comes without (edges, globals) are left out of the MLPs' arguments. `both_ends` adds the sum
    over the edges that leave a node to the arguments of f_v, as jraph has it.

    edge, node, graph: widths of each MLP, the last that of the features. Raises ValueError for one not positive.
    """

    edge: Sequence[int]
    node: Sequence[int]
    graph: Sequence[int]
    aggregate: Aggregation = segment_sum
    both_ends: bool = False

    @nn.compact
    def __call__(self, graph: GraphsTuple) -> GraphsTuple:
        """edges [E, edge[-1]], nodes [N, node[-1]], globals [G, graph[-1]] of the graph that comes out."""

        for name, widths in (("edge", self.edge), ("node", self.node), ("graph", self.graph)):
            check_widths(name, widths)

        def update_edge(edges, sent, received, of_graph):
            return _mlp(self.edge, "edge", edges, sent, received, of_graph)

        def update_node(nodes, sent, received, of_graph):
            return _mlp(self.node, "node", nodes, received, of_graph, *([sent] if self.both_ends else []))

        def update_graph(nodes, edges, of_graph):
            return _mlp(self.graph, "graph", nodes, edges, of_graph)

        return apply_graph_network(graph, update_edge, update_node, update_graph, self.aggregate)


def _mlp(widths: Sequence[int], name: str, *parts: jax.Array | None) -> jax.Array:
    x = jnp.concatenate([part for part in parts if part is not None], axis=-1)
    for index, width in enumerate(widths):
        x = nn.Dense(width, name=f"{name}_{index}")(x if index == 0 else nn.relu(x))
    return x


class GraphNetwork(nn.Module):
    """Blocks one after another, all of one width; the globals of the last are the prediction for each graph.

    Padding is set to zero between blocks: all padding edges meet in one node, which would grow from block to block.
    A padded graph is needed.
    """

    outputs: int
    width: int = 64
    blocks: int = 2

    @nn.compact
    def __call__(self, graph: GraphsTuple, *, train: bool = False) -> jax.Array:
        """Predictions [G, outputs], padding graphs included; `train` changes nothing."""
        widths = (self.width, self.width)
        for _ in range(self.blocks):
            block = GraphNetworkBlock(widths, widths, widths)(graph)
            graph = zero_padding(_relu(block))
        return nn.Dense(self.outputs)(graph.globals)


def _relu(graph: GraphsTuple) -> GraphsTuple:
    return graph._replace(nodes=nn.relu(graph.nodes), edges=nn.relu(graph.edges), globals=nn.relu(graph.globals))
