"""The graph auto-encoder, for the laws: a ring of nodes, as many edges as nodes."""

import numpy as np
import optax
from learner_case import Case

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.data.graphs.records import both_ways, one_graph
from mlr_jax.graphs.convolution import GCN
from mlr_jax.graphs.link_prediction import Hypers, link_prediction

NODES = 24
PAIRS = np.stack([np.arange(NODES), (np.arange(NODES) + 1) % NODES], axis=1).astype(np.int32)
GRAPH = one_graph(np.random.default_rng(0).normal(size=(NODES, 5)), *both_ways(PAIRS))
BATCH = {"graph": GRAPH, "pairs": PAIRS, "y": np.arange(NODES, dtype=np.int32) % 2}


def make(wrap):
    """A graph is not cut over devices, so that there is nothing to wrap."""
    task = link_prediction(GCN((6,), 4, dropout=0.2), GRAPH)
    return gradient_learner(task, lambda hypers: optax.adam(hypers.learning_rate))


CASES = {
    "link prediction": Case(
        make, lambda step: BATCH, Hypers(), Hypers(3e-3, 0.5), resident=True, padded=False, tolerance=1e-4
    ),
}
