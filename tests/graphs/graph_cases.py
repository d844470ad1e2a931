"""Learners of whole graphs for the laws."""

from functools import partial

import numpy as np
from learner_case import Case, Wrap

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.types import Learner, Task
from mlr_jax.graphs.graph_network import GraphNetwork
from mlr_jax.graphs.graph_prediction import (
    ClassificationHypers,
    Hypers,
    graph_answers,
    graph_classification,
    graph_regression,
)
from mlr_jax.graphs.isomorphism import GIN
from mlr_jax.graphs.message_passing import MPNN
from mlr_jax.ops.graph import from_edges, stack


def graph_batch(step: int, kind: str = "class", rows: int = 16) -> dict:
    """Rows of small graphs whose label depends on their number of edges and on their features."""
    rng = np.random.default_rng((11, step))
    graphs = []
    for _ in range(rows):
        num_nodes, num_edges = int(rng.integers(1, 6)), int(rng.integers(0, 9))
        ends = rng.integers(0, num_nodes, (2, num_edges))
        features = (rng.normal(size=shape).astype(np.float32) for shape in ((num_nodes, 3), (num_edges, 2), (2,)))
        nodes, edges, of_graph = features
        graphs.append(from_edges(nodes, ends[0], ends[1], edges, of_graph))
    sums = np.array([len(graph.senders) / 4 + graph.nodes.sum() for graph in graphs], np.float32)
    y = {
        "class": (sums > 1).astype(np.int32),
        "number": sums,
        "answers": np.stack([sums > 1, sums > 0, sums > -1], axis=1).astype(np.float32),
    }[kind]
    if kind == "answers":
        y[::3, 1] = np.nan
    return {"graph": stack(graphs, nodes=7, edges=8), "y": y}


EXAMPLE = graph_batch(0)["graph"]


def _learner(task: Task, wrap: Wrap) -> Learner:
    return wrap(gradient_learner(task, adamw()))


def _case(task: Task, kind: str, hypers: type, **keywords) -> Case:
    return Case(
        partial(_learner, task), partial(graph_batch, kind=kind), hypers(3e-3, 1e-2), hypers(1e-3, 0.0, 1.0),
        tolerance=1e-3, **keywords,
    )  # fmt: skip


CASES: dict[str, Case] = {
    "gin": _case(graph_classification(GIN(2, (6, 6)), EXAMPLE), "class", ClassificationHypers),
    "mpnn dropout": _case(
        graph_regression(MPNN(1, 6, 2, 3, (6,), dropout=0.3), EXAMPLE), "number", Hypers, row_keys=True
    ),
    "graph network": _case(graph_answers(GraphNetwork(3, 6, 2), EXAMPLE), "answers", Hypers),
}
