"""Learners of this group for the laws."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import numpy as np
import optax
from learner_case import Case, Wrap

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.keep_best import keep_best
from mlr_jax.core.types import Learner
from mlr_jax.graphs.attention import GAT
from mlr_jax.graphs.convolution import GCN, GraphSAGE
from mlr_jax.graphs.node_classification import Hypers, node_classification, validation_scores
from mlr_jax.ops.graph import from_edges
from mlr_jax.ops.sparse import sparse_matrix

NODES, CLASSES = 24, 3


def ring_of_classes() -> dict[str, Any]:
    """Noisy features of three classes, edges mostly inside a class; a third of the nodes trains, a third validates."""
    rng = np.random.default_rng(5)
    y = (np.arange(NODES) % CLASSES).astype(np.int32)
    receivers = rng.integers(0, NODES, 70)
    senders = np.where(rng.random(70) < 0.2, rng.integers(0, NODES, 70), (receivers + 3) % NODES)
    nodes = (np.eye(6)[y] + 0.5 * rng.normal(size=(NODES, 6))).astype(np.float32)
    part = np.arange(NODES) // 8
    return {
        "graph": from_edges(nodes, senders, receivers),
        "y": y,
        "mask": (part == 0).astype(np.float32),
        "validation": (part == 1).astype(np.float32),
    }


BATCH = ring_of_classes()
"""Features are an array."""

_words = np.where(BATCH["graph"].nodes > 0.3, BATCH["graph"].nodes, 0)
_rows, _columns = np.nonzero(_words)
SPARSE_BATCH = {
    **BATCH,
    "graph": BATCH["graph"]._replace(
        nodes=sparse_matrix(_rows, _columns, _words[_rows, _columns], _words.shape)
    ),
}  # fmt: skip
"""Features are a sparse matrix."""


def learner(model: nn.Module, batch: dict[str, Any] = BATCH, scores: tuple[str, ...] = ()) -> Callable[[Wrap], Learner]:
    """A learner of the whole graph, which cannot be cut over devices: no wrapper."""
    task = node_classification(model, batch["graph"])
    plain = gradient_learner(task, lambda hypers: optax.adam(hypers.learning_rate))
    kept = keep_best(plain, validation_scores(plain), scores) if scores else plain
    return lambda wrap: kept


NODE = {"resident": True, "padded": False, "hypers": Hypers(), "other_hypers": Hypers(3e-3, 0.0), "tolerance": 1e-3}
WHOLE: dict[str, Any] = {"batch": lambda step: BATCH, **NODE}

CASES: dict[str, Case] = {
    "gcn": Case(learner(GCN((16,), CLASSES)), **WHOLE),
    "gcn keep best": Case(learner(GCN((16,), CLASSES), scores=("loss", "error")), **WHOLE),
    "gcn sparse": Case(learner(GCN((16,), CLASSES), SPARSE_BATCH), batch=lambda step: SPARSE_BATCH, **NODE),
    "graphsage": Case(learner(GraphSAGE((8,), CLASSES, aggregate="max")), **WHOLE),
    "gat": Case(learner(GAT((4,), CLASSES, heads=2)), **WHOLE),
}
