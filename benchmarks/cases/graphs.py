"""The graph cases: each makes its data, and pairs one of our training loops with the same in PyTorch."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.cases import graph_peers
from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.scan import repeat, scan
from mlr_jax.data.graphs.load import load_graphs, load_nodes
from mlr_jax.data.graphs.planetoid import normalise_rows
from mlr_jax.data.graphs.random_graphs import planted_partition, trees_and_cycles
from mlr_jax.data.graphs.records import GraphSet, NodeSet
from mlr_jax.graphs import graph_prediction, node_classification
from mlr_jax.graphs.attention import GAT
from mlr_jax.graphs.convolution import GCN
from mlr_jax.graphs.isomorphism import GIN
from mlr_jax.ops.graph import Size, pack, pad, size_of
from mlr_jax.ops.sparse import sparse_matrix
from mlr_jax.supervised.classification import Hypers as ClassificationHypers

EPOCHS = 10
"""Of one call, on a graph whose nodes are classified."""

BATCH, BATCHES = 128, 8
"""Graphs of a batch, and batches of one call."""

GIN_WIDTHS = (32, 32, 32, 32)


class Case(NamedTuple):
    """One call of ours, and one of each peer by name, all of which train on for `items` units and return the loss."""

    ours: Callable[[], float]
    peers: Mapping[str, Callable[[], float]]
    items: int
    unit: str


def installed() -> list[str]:
    """Which of torch and torch_geometric can be imported."""
    return [name for name in ("torch", "torch_geometric") if find_spec(name)]


def citations(path: str | None) -> NodeSet:
    """The graph of a file, or one of Cora's size: 2,708 nodes, about 5,278 edges, about 18 words of 1,433 a node."""
    if path is not None:
        return load_nodes(path)
    return planted_partition(
        seed=0, num_nodes=2708, num_classes=7, within=3.2, between=0.7, num_words=1433, topical=0.04, common=0.009
    )


def molecules(path: str | None) -> GraphSet:
    """The graphs that a word or path names, or as many trees and graphs with a cycle, of MUTAG's sizes."""
    return load_graphs(path) if path is not None else trees_and_cycles(seed=0, num_graphs=1024, least=10, most=26)


def gcn(nodes: str | None, graphs: str | None) -> Case:
    """GCN as in the paper: 16 hidden units, dropout 0.5."""
    data = citations(nodes)
    peers: dict[str, Callable[[], float]] = {}
    if "torch" in installed():
        peers["PyTorch, dense features"] = graph_peers.gcn_torch(data, EPOCHS, sparse=False)
        peers["PyTorch, sparse features"] = graph_peers.gcn_torch(data, EPOCHS, sparse=True)
    if "torch_geometric" in installed():
        peers["PyTorch Geometric"] = graph_peers.gcn_geometric(data, EPOCHS)
    return Case(_on_nodes(GCN((16,), len(data.class_names)), data, graph_peers.RATE), peers, EPOCHS, "epochs")


def gat(nodes: str | None, graphs: str | None) -> Case:
    """GAT as in the paper: 8 heads of 8 units, dropout 0.6."""
    data = citations(nodes)
    peers: dict[str, Callable[[], float]] = {}
    if "torch" in installed():
        peers["PyTorch"] = graph_peers.gat_torch(data, EPOCHS)
    if "torch_geometric" in installed():
        peers["PyTorch Geometric"] = graph_peers.gat_geometric(data, EPOCHS)
    return Case(_on_nodes(GAT((8,), len(data.class_names)), data, graph_peers.RATE / 2), peers, EPOCHS, "epochs")


def gin(nodes: str | None, graphs: str | None) -> Case:
    """GIN of four layers of 32 units, dropout 0.5, batches of 128 graphs that are made beforehand on both sides."""
    data = molecules(graphs)
    rng = np.random.default_rng(0)
    chosen = [rng.permutation(np.arange(max(len(data.y), BATCH)) % len(data.y))[:BATCH] for _ in range(BATCHES)]
    packed = [(pack([data.graphs[row] for row in rows]), data.y[rows]) for rows in chosen]
    sizes = [size_of(graph) for graph, _ in packed]
    size = Size(max(s.nodes for s in sizes) + 1, max(s.edges for s in sizes), BATCH + 1)
    batches = [{"graph": pad(graph, size), "y": np.append(y, 0).astype(np.int32)} for graph, y in packed]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *batches)
    model = GIN(int(data.y.max()) + 1, GIN_WIDTHS, dropout=0.5)
    task = graph_prediction.graph_classification(model, jax.tree.map(jnp.asarray, batches[0]["graph"]))
    learner = gradient_learner(task, lambda hypers: optax.adam(hypers.learning_rate))
    hypers = ClassificationHypers(graph_peers.RATE)
    ours = _trained(learner, hypers, scan(learner, BATCHES), stacked)
    peers: dict[str, Callable[[], float]] = {}
    if "torch" in installed():
        peers["PyTorch"] = graph_peers.gin(packed, GIN_WIDTHS, geometric=False)
    if "torch_geometric" in installed():
        peers["PyTorch Geometric"] = graph_peers.gin(packed, GIN_WIDTHS, geometric=True)
    return Case(ours, peers, BATCH * BATCHES, "graphs")


def _on_nodes(model: nn.Module, data: NodeSet, rate: float) -> Callable[[], float]:
    nodes = normalise_rows(data.graph.nodes)
    rows, columns = np.nonzero(nodes)
    x: Any = sparse_matrix(rows, columns, nodes[rows, columns], nodes.shape)
    mask = np.isin(np.arange(len(data.y)), data.train).astype(np.float32)
    batch = jax.tree.map(jnp.asarray, {"graph": data.graph._replace(nodes=x), "y": data.y, "mask": mask})
    task = node_classification.node_classification(model, batch["graph"])
    learner = gradient_learner(task, lambda hypers: optax.adam(hypers.learning_rate))
    hypers = node_classification.Hypers(rate, graph_peers.DECAY)
    return _trained(learner, hypers, repeat(learner, EPOCHS), batch)


def _trained(learner: Any, hypers: Any, program: Any, data: Any) -> Callable[[], float]:
    state = jax.jit(learner.init)(jax.random.key(0), hypers)

    def call() -> float:
        nonlocal state
        state, metrics = program(state, data)
        return float(metrics["loss"][-1])

    return call


CASES: dict[str, Callable[[str | None, str | None], Case]] = {"gcn": gcn, "gat": gat, "gin": gin}
