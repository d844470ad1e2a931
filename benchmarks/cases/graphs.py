"""Graph networks, beside the same in PyTorch and PyTorch Geometric.

GCN and GAT are trained on a whole citation graph, GIN on batches of graphs that are made beforehand on both sides. The
loss of ours includes the penalty, that of the others does not.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.case import Asked, Case, Make, Program, Work
from benchmarks.peers import torch_graphs
from benchmarks.training import last_loss, repeated, state_of
from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.scan import scan
from mlr_jax.data.graphs.load import load_graphs, load_nodes
from mlr_jax.data.graphs.planetoid import normalise_rows
from mlr_jax.data.graphs.random_graphs import planted_partition, trees_and_cycles
from mlr_jax.data.graphs.records import GraphSet, NodeSet
from mlr_jax.graphs import graph_prediction, node_classification
from mlr_jax.graphs.attention import GAT
from mlr_jax.graphs.convolution import GCN
from mlr_jax.graphs.isomorphism import GIN
from mlr_jax.ops.graph import GraphsTuple, Size, pack, pad, size_of
from mlr_jax.ops.sparse import sparse_matrix
from mlr_jax.supervised.classification import Hypers as ClassificationHypers

EPOCHS, BATCH, BATCHES = 10, 128, 8
"""Epochs of one call; graphs of a batch, and batches of one call."""


def gcn(asked: Asked) -> Case:
    """GCN as in the paper: 16 hidden units, dropout 0.5."""
    data, epochs = citations(asked), asked.of(EPOCHS, 2)
    peers = {}
    if asked.beside("torch"):
        peers["PyTorch, dense features"] = Work(torch_graphs.gcn_torch(data, epochs, sparse=False))
        peers["PyTorch, sparse features"] = Work(torch_graphs.gcn_torch(data, epochs, sparse=True))
    if asked.beside("torch_geometric"):
        peers["PyTorch Geometric"] = Work(torch_graphs.gcn_geometric(data, epochs))
    ours = on_nodes(GCN((16,), len(data.class_names)), data, torch_graphs.RATE, epochs)
    return Case({"ours": ours}, peers, epochs, "epochs", epochs)


def gat(asked: Asked) -> Case:
    """GAT as in the paper: 8 heads of 8 units, dropout 0.6."""
    data, epochs = citations(asked), asked.of(EPOCHS, 2)
    peers = {}
    if asked.beside("torch"):
        peers["PyTorch"] = Work(torch_graphs.gat_torch(data, epochs))
    if asked.beside("torch_geometric"):
        peers["PyTorch Geometric"] = Work(torch_graphs.gat_geometric(data, epochs))
    ours = on_nodes(GAT((8,), len(data.class_names)), data, torch_graphs.RATE / 2, epochs)
    return Case({"ours": ours}, peers, epochs, "epochs", epochs)


def gin(asked: Asked) -> Case:
    """GIN of four layers of 32 units, dropout 0.5, batches of 128 graphs."""
    data, widths = molecules(asked), (asked.of(32, 4),) * asked.of(4, 2)
    batch, batches = asked.of(BATCH, 4), asked.of(BATCHES, 2)
    rng = np.random.default_rng(0)
    chosen = [rng.permutation(np.arange(max(len(data.y), batch)) % len(data.y))[:batch] for _ in range(batches)]
    packed = [(pack([data.graphs[row] for row in rows]), data.y[rows]) for rows in chosen]
    peers = {}
    if asked.beside("torch"):
        peers["PyTorch"] = Work(torch_graphs.gin(packed, widths, geometric=False))
    if asked.beside("torch_geometric"):
        peers["PyTorch Geometric"] = Work(torch_graphs.gin(packed, widths, geometric=True))
    ours = _on_graphs(GIN(int(data.y.max()) + 1, widths, dropout=0.5), packed)
    return Case({"ours": ours}, peers, batch * batches, "graphs", batches)


CASES: dict[str, Make] = {"gcn": gcn, "gat": gat, "gin": gin}


def citations(asked: Asked) -> NodeSet:
    """The graph of a file, or one of Cora's size: 2,708 nodes, about 5,278 edges, about 18 words of 1,433 a node."""
    if asked.nodes is not None:
        return load_nodes(asked.nodes)
    nodes, words = asked.of(2708, 150), asked.of(1433, 30)
    return planted_partition(
        seed=0, num_nodes=nodes, num_classes=7, within=3.2, between=0.7, num_words=words, topical=0.04, common=0.009
    )


def molecules(asked: Asked) -> GraphSet:
    """The graphs that a word or path names, or as many trees and graphs with a cycle, of MUTAG's sizes."""
    if asked.graphs is not None:
        return load_graphs(asked.graphs)
    return trees_and_cycles(seed=0, num_graphs=asked.of(1024, 8), least=10, most=26)


def on_nodes(model: nn.Module, data: NodeSet, rate: float, epochs: int) -> Program:
    """Epochs of Adam on the training nodes of one graph, whose features are a sparse matrix where most are 0."""
    nodes = normalise_rows(data.graph.nodes)
    rows, columns = np.nonzero(nodes)
    x: Any = sparse_matrix(rows, columns, nodes[rows, columns], nodes.shape)
    mask = np.isin(np.arange(len(data.y)), data.train).astype(np.float32)
    batch = jax.tree.map(jnp.asarray, {"graph": data.graph._replace(nodes=x), "y": data.y, "mask": mask})
    task = node_classification.node_classification(model, batch["graph"])
    learner = gradient_learner(task, lambda hypers: optax.adam(hypers.learning_rate))
    return repeated(learner, node_classification.Hypers(rate, torch_graphs.DECAY), batch, epochs)


def _on_graphs(model: nn.Module, packed: list[tuple[GraphsTuple, np.ndarray]]) -> Program:
    sizes = [size_of(graph) for graph, _ in packed]
    size = Size(max(s.nodes for s in sizes) + 1, max(s.edges for s in sizes), len(packed[0][1]) + 1)
    batches = [{"graph": pad(graph, size), "y": np.append(y, 0).astype(np.int32)} for graph, y in packed]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *batches)
    task = graph_prediction.graph_classification(model, jax.tree.map(jnp.asarray, batches[0]["graph"]))
    learner = gradient_learner(task, lambda hypers: optax.adam(hypers.learning_rate))
    state = state_of(learner, ClassificationHypers(torch_graphs.RATE))
    return Program(scan(learner, len(packed)), (state, stacked), last_loss, carries=True)
