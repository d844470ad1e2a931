"""Node classification: any graph network that returns logits of nodes, trained by cross-entropy on those with labels.

A batch holds `"graph"` (a `GraphsTuple`), `"y"` int32 [N] and `"mask"` [N], 1 for the nodes whose label counts: all
nodes take part in the messages, few in the loss. So every split of one graph is the same batch with another mask.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.core.keep_best import Score
from mlr_jax.core.types import Batch, Key, Learner, Metrics, State, Task, Variables
from mlr_jax.ops.graph import GraphsTuple, zero_padding
from mlr_jax.ops.losses import cross_entropy
from mlr_jax.ops.masked import masked_mean

Decayed = Callable[[Any], Any]
"""params -> those of them that are decayed."""


class Hypers(NamedTuple):
    """What a sweep can vary: the step of the optimizer, and the weight of the penalty."""

    learning_rate: float = 1e-2
    weight_decay: float = 5e-4


def kernels(params: Any) -> Any:
    """All parameters of two or more axes: what is usually decayed."""
    return [leaf for leaf in jax.tree.leaves(params) if leaf.ndim > 1]


def node_classification(model: nn.Module, graph: GraphsTuple, decayed: Decayed = kernels) -> Task:
    """The task of naming the class y_i of nodes i by minimising

    L = mean_{i: mask_i = 1} -log p(y_i | graph) + weight_decay / 2 sum_{W decayed} |W|^2

    model: called as `model(graph, train=...)`, returns logits [N, K]; graph: one of the shapes that batches have, of
    which nothing else is read. A graph of several parts is padded as `ops/graph.py` says; one of a single part is
    whole. Training metrics: accuracy. Evaluation: loss and accuracy of each node, [N].
    """
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)), graph)

    def init(key: Key) -> Variables:
        return model.lazy_init({"params": key}, shapes)

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        y, mask = batch["y"], batch["mask"]
        mutable = [name for name in variables if name != "params"]
        result: Any = model.apply(variables, _clean(batch), train=True, rngs={"dropout": key}, mutable=mutable)
        logits, updated = result
        losses = jax.vmap(cross_entropy)(logits, y)
        penalty = sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(decayed(variables["params"])))
        metrics = {"accuracy": masked_mean(_is_right(logits, y), mask)}
        return masked_mean(losses, mask) + 0.5 * hypers.weight_decay * penalty, ({**variables, **updated}, metrics)

    def evaluate(variables: Variables, batch: Batch) -> Metrics:
        logits = logits_of(model, variables, batch)
        return {"loss": jax.vmap(cross_entropy)(logits, batch["y"]), "accuracy": _is_right(logits, batch["y"])}

    return Task(init, loss, evaluate)


def predict(model: nn.Module, variables: Variables, batch: Batch) -> jax.Array:
    """p(y_i | graph) for each class of each node, [N, K]."""
    return jax.nn.softmax(logits_of(model, variables, batch).astype(jnp.float32))


def logits_of(model: nn.Module, variables: Variables, batch: Batch) -> jax.Array:
    """The model's output for each node in evaluation, [N, K]."""
    logits: Any = model.apply(variables, _clean(batch))
    return logits


def validation_scores(learner: Learner) -> Score:
    """Loss and error rate on the nodes of `batch["validation"]` [N], a mask as `"mask"`: what `keep_best` is given."""

    def scores(state: State, batch: Batch) -> Metrics:
        values = learner.evaluate(state, batch)
        mask = batch["validation"]
        return {"loss": masked_mean(values["loss"], mask), "error": 1 - masked_mean(values["accuracy"], mask)}

    return scores


def _clean(batch: Batch) -> GraphsTuple:
    graph = batch["graph"]
    return graph if graph.n_node.shape[0] == 1 else zero_padding(graph)


def _is_right(logits: jax.Array, y: jax.Array) -> jax.Array:
    return (jnp.argmax(logits, axis=-1) == y).astype(jnp.float32)
