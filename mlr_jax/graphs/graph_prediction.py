"""Predictions for whole graphs: a class, numbers, or several yes-or-no answers.

A batch holds "graph", rows of graphs or a packed one (`ops/graph.py`), "y" [G, ...] and perhaps "mask" [G]. Of a packed
graph, G counts the padding graphs, and they are masked without being told. The model is called as
`model(graph, train=...)` with a packed graph and returns [G, K]; features of padding are 0 when it sees them.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.core.types import Batch, Key, Metrics, Task, Variables
from mlr_jax.ops.graph import GraphsTuple, flatten, graph_mask, is_rows, zero_padding
from mlr_jax.ops.losses import cross_entropy, squared_error
from mlr_jax.ops.masked import blank_padding, masked_mean
from mlr_jax.supervised.classification import Hypers as ClassificationHypers


class Hypers(NamedTuple):
    """What a sweep can vary in regression and yes-or-no answers: all read by the optimizer."""

    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    clip_norm: float = math.inf


RowLosses = Callable[[jax.Array, jax.Array, Any], jax.Array]
"""outputs [G, K], y [G, ...], hypers or None -> the loss of each graph, [G]."""

RowMetrics = Callable[[jax.Array, jax.Array], dict[str, jax.Array]]
"""outputs [G, K], y [G, ...] -> metrics of each graph, [G]."""


def graph_classification(model: nn.Module, example: GraphsTuple) -> Task:
    """Name the class y [G] int of each graph, by the mean of -log p(y | graph); hypers: those of classification.

    example: a graph of a batch's kind, for its number of features. Training metrics: accuracy. Evaluation: loss and
    accuracy of each graph, [G].
    """

    def losses(logits: jax.Array, y: jax.Array, hypers: ClassificationHypers | None) -> jax.Array:
        smoothing = 0.0 if hypers is None else hypers.label_smoothing
        return jax.vmap(cross_entropy, in_axes=(0, 0, None))(logits, y, smoothing)

    def metrics(logits: jax.Array, y: jax.Array) -> dict[str, jax.Array]:
        return {"accuracy": (jnp.argmax(logits, axis=-1) == y).astype(jnp.float32)}

    return _task(model, example, losses, metrics)


def graph_regression(model: nn.Module, example: GraphsTuple) -> Task:
    """Predict numbers y [G] or [G, K] of each graph by least squares.

    Training metrics: absolute_error. Evaluation: loss (the squared error, a mean over the K numbers) and
    absolute_error of each graph, [G].
    """

    def losses(outputs: jax.Array, y: jax.Array, hypers: Any) -> jax.Array:
        return jax.vmap(squared_error)(outputs, y.reshape(outputs.shape))

    def metrics(outputs: jax.Array, y: jax.Array) -> dict[str, jax.Array]:
        return {"absolute_error": jnp.mean(jnp.abs(outputs - y.reshape(outputs.shape)), axis=-1)}

    return _task(model, example, losses, metrics)


def graph_answers(model: nn.Module, example: GraphsTuple) -> Task:
    """Answer K yes-or-no questions about each graph: y [G, K] is 1, 0, or NaN where the answer is not known.

    A graph's loss is the mean over its known answers of -log p(answer), 0 where none is known. Training metrics:
    accuracy. Evaluation: loss and accuracy of each graph, [G].
    """

    def of_known(values: jax.Array, y: jax.Array) -> jax.Array:
        known = ~jnp.isnan(y)
        return jnp.sum(jnp.where(known, values, 0.0), axis=-1) / jnp.maximum(jnp.sum(known, axis=-1), 1)

    def losses(logits: jax.Array, y: jax.Array, hypers: Any) -> jax.Array:
        answer = jnp.nan_to_num(y)
        return of_known(jax.nn.softplus(logits) - answer * logits, y)

    def metrics(logits: jax.Array, y: jax.Array) -> dict[str, jax.Array]:
        return {"accuracy": of_known(((logits > 0) == (y > 0)).astype(jnp.float32), y)}

    return _task(model, example, losses, metrics)


def predict(model: nn.Module, variables: Variables, graph: GraphsTuple) -> jax.Array:
    """The model's outputs in evaluation, [G, K], for rows of graphs or a packed graph."""
    return _outputs(model, variables, *_packed(graph, None))


def _task(model: nn.Module, example: GraphsTuple, row_losses: RowLosses, row_metrics: RowMetrics) -> Task:
    # One row is enough to know the shapes of the parameters.
    one = jax.tree.map(lambda leaf: leaf[:1], example) if is_rows(example) else example
    shapes = jax.eval_shape(lambda graph: _packed(graph, None)[0], one)

    def init(key: Key) -> Variables:
        return model.lazy_init({"params": key}, shapes)

    def loss(variables: Variables, batch: Batch, key: Key, hypers: Any) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        graph, y, mask = _unpack(batch)
        mutable = [name for name in variables if name != "params"]
        result: Any = model.apply(variables, graph, train=True, rngs={"dropout": key}, mutable=mutable)
        outputs, updated = result[0][: mask.shape[0]], result[1]
        metrics = {name: masked_mean(values, mask) for name, values in row_metrics(outputs, y).items()}
        return masked_mean(row_losses(outputs, y, hypers), mask), ({**variables, **updated}, metrics)

    def evaluate(variables: Variables, batch: Batch) -> Metrics:
        graph, y, mask = _unpack(batch)
        outputs = _outputs(model, variables, graph, mask)
        return {"loss": row_losses(outputs, y, None), **row_metrics(outputs, y)}

    return Task(init, loss, evaluate)


def _outputs(model: nn.Module, variables: Variables, graph: GraphsTuple, mask: jax.Array) -> jax.Array:
    outputs: Any = model.apply(variables, graph)
    return outputs[: mask.shape[0]]


def _unpack(batch: Batch) -> tuple[GraphsTuple, jax.Array, jax.Array]:
    graph, mask = _packed(batch["graph"], batch.get("mask"))
    if batch["y"].shape[0] != mask.shape[0]:
        raise ValueError(f"y: got shape {batch['y'].shape}, its first axis must be the {mask.shape[0]} graphs")
    return graph, blank_padding(batch["y"], mask), mask


def _packed(graph: GraphsTuple, mask: jax.Array | None) -> tuple[GraphsTuple, jax.Array]:
    """The graph packed, zeros in its padding, and the mask of the graphs (or rows) that were given, [G]."""
    if is_rows(graph):
        mask = jnp.ones(graph.n_node.shape[0]) if mask is None else mask
        return zero_padding(flatten(blank_padding(graph, mask))), mask
    real = graph_mask(graph).astype(jnp.float32)
    return zero_padding(graph), real if mask is None else mask * real
