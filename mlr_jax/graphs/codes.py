"""Graphs whose features are codes: columns of small whole numbers that name a kind, such as an element or a bond."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.ops.graph import GraphsTuple, zero_padding


def indicators(codes: jax.Array, counts: Sequence[int]) -> jax.Array:
    """Each column one-hot: codes [N, C], counts [C] of the values that each can take -> [N, sum(counts)].

    A code outside 0 to count - 1 is all zeros. Raises ValueError for another number of columns.
    """
    if codes.shape[-1] != len(counts):
        raise ValueError(f"codes: got {codes.shape[-1]} columns, counts names {len(counts)}")
    return jnp.concatenate(
        [jax.nn.one_hot(codes[:, k].astype(jnp.int32), count) for k, count in enumerate(counts)], axis=1
    )


class Coded(nn.Module):
    """A network on graphs whose codes are made indicators first.

    A linear layer on indicators adds one vector for each column: it is the sum of embeddings that such features are
    usually given, and one product. Codes travel and are stored as they are.
    """

    network: nn.Module
    node_codes: Sequence[int]
    edge_codes: Sequence[int] = ()

    @nn.compact
    def __call__(self, graph: GraphsTuple, *, train: bool = False) -> Any:
        """What `network` returns for the graph, padded as it came; the indicators of padding are 0."""
        edges = graph.edges if graph.edges is None or not self.edge_codes else indicators(graph.edges, self.edge_codes)
        nodes = indicators(graph.nodes, self.node_codes)
        return self.network(zero_padding(graph._replace(nodes=nodes, edges=edges)), train=train)
