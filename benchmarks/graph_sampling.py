"""Memory and speed of training on a graph that is too large to be used whole: sampled blocks, or all of it at once.

    python benchmarks/graph_sampling.py                                # 100,000 nodes, 1,000,000 edges
    python benchmarks/graph_sampling.py --edges 4000000 --nodes 400000

GraphSAGE of two layers on a graph of random nodes and edges with 16 features. Printed are what a compiled training step
needs beside the parameters, by XLA's own account, and what the process holds at most; then how many nodes it is trained
on in a second, and the accuracy on held-out nodes. A sampled step takes the memory of its batch, whatever the graph.
"""

import argparse
import resource
import time
from typing import Any

import jax
import numpy as np
import optax

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.data.graphs.random_graphs import uniform_graph
from mlr_jax.data.graphs.sampling import sampled_nodes
from mlr_jax.graphs.convolution import GraphSAGE
from mlr_jax.graphs.node_classification import Hypers, node_classification
from mlr_jax.train.evaluate import evaluate
from mlr_jax.train.loop import fit

MODEL = GraphSAGE((64,), 4, dropout=0.1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--edges", type=int, default=1_000_000)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--fanouts", type=int, nargs="+", default=[10, 5])
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()
    data = uniform_graph(seed=0, num_nodes=arguments.nodes, num_edges=arguments.edges)
    print(f"{arguments.nodes:,} nodes, {arguments.edges:,} edges: the process holds {held_mb():.0f} MB with the graph")
    keywords: dict[str, Any] = {"fanouts": tuple(arguments.fanouts), "batch_size": arguments.batch_size, "seed": 0}
    source = sampled_nodes(data.graph, data.y, data.train, **keywords)
    batch = next(source.stream(0))
    learner = gradient_learner(node_classification(MODEL, batch["graph"]), lambda hypers: optax.adam(1e-2))
    state = jax.jit(learner.init)(jax.random.key(0), Hypers())
    print(f"a step on a block of {len(batch['mask']):,} nodes needs {step_mb(learner, state, batch):8.1f} MB")
    mask = np.isin(np.arange(arguments.nodes), data.train).astype(np.float32)
    whole = {"graph": data.graph, "y": data.y, "mask": mask}
    print(f"a step on the whole graph                needs {step_mb(learner, state, whole):8.1f} MB")
    since = time.perf_counter()
    state, timing = fit(learner, state, source, num_steps=arguments.steps, chunk=5)
    seconds = time.perf_counter() - since - timing.compile_s
    share = timing.compiled_s / seconds
    print(f"{arguments.steps * arguments.batch_size / seconds:,.0f} nodes/s, {share:.0%} of the time in compiled steps")
    held_out = sampled_nodes(data.graph, data.y, data.validation[:2048], **keywords)
    found = evaluate(jax.jit(learner.evaluate), state, held_out.evaluation())
    print(f"accuracy {found['accuracy']:.3f}; the process held {held_mb():.0f} MB at most")


def step_mb(learner: Any, state: Any, batch: Any) -> float:
    """What the compiled step takes for its batch and its intermediate values, in MB."""
    found: Any = jax.jit(learner.step).lower(state, batch).compile().memory_analysis()
    return (found.temp_size_in_bytes + found.argument_size_in_bytes) / 1e6


def held_mb() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
