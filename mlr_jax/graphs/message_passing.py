"""Message passing along edges with features (Gilmer et al., "Neural message passing for quantum chemistry", 2017)."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.graphs.readout import Readout, sum_nodes
from mlr_jax.nn.checks import check_rate, check_widths
from mlr_jax.nn.mlp import MLP
from mlr_jax.ops.graph import GraphsTuple
from mlr_jax.ops.segment import segment_sum


class EdgeNetwork(nn.Module):
    """m_v = sum_{u -> v} A(e_uv) h_u, with a matrix for each edge, made from its features by a small network.

    A(e) = sum_k z_k(e) A_k with z(e) = [relu(V e + c), 1], that is, a network with one hidden layer whose outputs are
    the entries of a matrix. No edge's matrix is ever formed: the sum over edges is taken of the products z_k h_u, and
    A_k is applied to each node once. Edges without features have A(e) = A_0.

    features: of the messages. hidden: units of the edge network.
    """

    features: int
    hidden: int = 8

    @nn.compact
    def __call__(self, graph: GraphsTuple) -> jax.Array:
        """nodes [N, F], edges [E, F_e] or None -> messages [N, features]."""
        num_nodes, width = graph.nodes.shape
        sent = graph.nodes[graph.senders]
        terms = [sent]
        if graph.edges is not None:
            z = nn.relu(nn.Dense(self.hidden, name="edge")(graph.edges))
            terms.append((z[:, :, None] * sent[:, None]).reshape(sent.shape[0], self.hidden * width))
        gathered = segment_sum(jnp.concatenate(terms, axis=1), graph.receivers, num_nodes)
        return nn.Dense(self.features, use_bias=False, name="message")(gathered)


class MPNN(nn.Module):
    """T steps of messages and a gated recurrent update with shared weights, a readout, and an MLP.

    h^0 = relu(W x); h^{t+1}_v = GRU(h^t_v, m_v + b) with m the edge network's messages; prediction =
    MLP(readout(relu(U [h^T, x]))). A padded graph is needed only where the readout needs it.

    Raises ValueError for a width or a number of steps that is not positive and a dropout outside [0, 1).
    """

    outputs: int
    width: int = 64
    steps: int = 3
    edge_hidden: int = 8
    head: Sequence[int] = (64,)
    dropout: float = 0.0
    readout: Readout = sum_nodes

    @nn.compact
    def __call__(self, graph: GraphsTuple, *, train: bool = False) -> jax.Array:
        """Predictions [G, outputs] for the graphs, padding graphs included."""
        check_widths("width, steps, edge_hidden", (self.width, self.steps, self.edge_hidden))
        check_rate("dropout", self.dropout)
        drop = nn.Dropout(self.dropout, deterministic=not train)
        messages, update = EdgeNetwork(self.width, self.edge_hidden), nn.GRUCell(self.width)
        h = nn.relu(nn.Dense(self.width, name="embed")(graph.nodes))
        for _ in range(self.steps):
            h, _ = update(h, messages(graph._replace(nodes=h)))
        h = nn.relu(nn.Dense(self.width, name="read")(jnp.concatenate([h, graph.nodes], axis=1)))
        return MLP(self.head, self.outputs, self.dropout)(self.readout(graph, drop(h)), train=train)
