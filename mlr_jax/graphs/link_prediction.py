"""Link prediction by a graph auto-encoder (Kipf & Welling, 2016: GAE): which pairs of nodes have an edge.

A batch holds `"graph"` (nodes, and the edges that are known), and `"pairs"` int32 [P, 2]. In training each pair is an
edge, once for both directions; in evaluation `"y"` [P] says which are. Rows whose `"mask"` is 0 are padding.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.core.types import Batch, Key, Metrics, Task, Variables
from mlr_jax.ops.graph import GraphsTuple, zero_padding
from mlr_jax.ops.masked import masked_mean


class Hypers(NamedTuple):
    """What a sweep can vary: the step of the optimizer, and how much pairs without an edge weigh against edges."""

    learning_rate: float = 1e-2
    negative_weight: float = 1.0


def link_prediction(encoder: nn.Module, graph: GraphsTuple, *, negatives: int = 1) -> Task:
    """The task of scoring pairs by s_ij = z_i . z_j, with p(edge) = sigmoid(s_ij) and z = encoder(graph), by minimising

    L = mean_{edges ij} -log sigmoid(s_ij) + negative_weight mean_{drawn ij} -log sigmoid(-s_ij)

    encoder: called as `encoder(graph, train=...)`, returns z [N, F]; graph: one of the shapes that batches have, of
    which nothing else is read. `negatives` pairs i != j of nodes are drawn for each edge, anew at each step and
    uniformly: in a sparse graph hardly any of them is an edge. The paper takes all pairs, which costs N^2.

    Training metrics: accuracy over edges and drawn pairs. Evaluation: loss and accuracy of each pair, [P]; the area
    under the curve and the average precision are `ops/metrics/ranking.py` of `scores`.

    Raises ValueError if `negatives` < 1.
    """
    if negatives < 1:
        raise ValueError(f"negatives must be at least 1, got {negatives}")
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)), graph)

    def init(key: Key) -> Variables:
        return encoder.lazy_init({"params": key}, shapes)

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        graph, pairs, mask = _unpack(batch)
        dropout_key, negative_key = jax.random.split(key)
        drawn = random_pairs(negative_key, _num_nodes(graph), negatives * pairs.shape[0])
        mutable = [name for name in variables if name != "params"]
        result: Any = encoder.apply(variables, graph, train=True, rngs={"dropout": dropout_key}, mutable=mutable)
        z, updated = result
        positive, negative = (inner_products(z, each) for each in (pairs, drawn))
        value = masked_mean(jax.nn.softplus(-positive), mask)
        value += hypers.negative_weight * masked_mean(jax.nn.softplus(negative), jnp.tile(mask, negatives))
        right = masked_mean((positive > 0).astype(z.dtype), mask)
        right += masked_mean((negative <= 0).astype(z.dtype), jnp.tile(mask, negatives))
        return value, ({**variables, **updated}, {"accuracy": right / 2})

    def evaluate(variables: Variables, batch: Batch) -> Metrics:
        logits = scores(encoder, variables, batch)
        is_edge = batch["y"] > 0
        losses = jax.nn.softplus(jnp.where(is_edge, -logits, logits))
        return {"loss": losses, "accuracy": ((logits > 0) == is_edge).astype(logits.dtype)}

    return Task(init, loss, evaluate)


def embed(encoder: nn.Module, variables: Variables, graph: GraphsTuple) -> jax.Array:
    """What the encoder makes of each node in evaluation, [N, F]."""
    z: Any = encoder.apply(variables, _clean(graph))
    return z


def scores(encoder: nn.Module, variables: Variables, batch: Batch) -> jax.Array:
    """s_ij of the pairs of a batch in evaluation, [P]: the greater, the likelier an edge."""
    graph, pairs, _ = _unpack(batch)
    return inner_products(embed(encoder, variables, graph), pairs)


def inner_products(z: jax.Array, pairs: jax.Array) -> jax.Array:
    """z_i . z_j: z [N, F], pairs [P, 2] -> [P]."""
    return jnp.sum(z[pairs[:, 0]] * z[pairs[:, 1]], axis=1)


def random_pairs(key: Key, num_nodes: jax.Array | int, count: int) -> jax.Array:
    """Uniform ordered pairs of different nodes of 0 .. num_nodes - 1 (at least 2; may be traced): int32 [count, 2]."""
    first_key, other_key = jax.random.split(key)
    first = jax.random.randint(first_key, (count,), 0, num_nodes)
    further = jax.random.randint(other_key, (count,), 1, num_nodes)
    return jnp.stack([first, (first + further) % num_nodes], axis=1)


def _unpack(batch: Batch) -> tuple[GraphsTuple, jax.Array, jax.Array]:
    pairs = batch["pairs"]
    mask = batch.get("mask")
    if mask is None:
        return _clean(batch["graph"]), pairs, jnp.ones(pairs.shape[0])
    return _clean(batch["graph"]), jnp.where(mask[:, None] > 0, pairs, 0), mask


def _clean(graph: GraphsTuple) -> GraphsTuple:
    return graph if graph.n_node.shape[0] == 1 else zero_padding(graph)


def _num_nodes(graph: GraphsTuple) -> jax.Array:
    """The nodes that are no padding, of a graph of one part; or of one and its padding."""
    return graph.n_node[0]
