"""What every experiment that classifies the nodes of one graph shares: its flags, its data, its pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.keep_best import KeptState, keep_best
from mlr_jax.core.types import Batch, Resident, State
from mlr_jax.data.graphs.load import load_nodes
from mlr_jax.data.graphs.planetoid import normalise_rows
from mlr_jax.data.graphs.records import NodeSet
from mlr_jax.experiment.image_classifier import naming
from mlr_jax.experiment.run import Experiment
from mlr_jax.experiment.settings import Settings
from mlr_jax.graphs.node_classification import (
    Decayed,
    Hypers,
    kernels,
    logits_of,
    node_classification,
    validation_scores,
)
from mlr_jax.ops.sparse import compressed

MOST_DRAWN = 100
"""Nodes in the drawing of a large graph."""


@dataclass(frozen=True)
class NodeSettings(Settings):
    """Flags of a node classifier that is trained with Adam on the whole graph at every step."""

    layout: Literal["vmap", "map"] = "map"
    """Members side by side in every operation, or one after another inside the program."""
    data: str = "random"
    """random, karate, a file .npz or .csv, or a folder with ind.NAME.* or edges.csv."""
    learning_rate: float = 1e-2
    """Of Adam."""
    weight_decay: float = 5e-4
    """Of the penalty weight_decay / 2 |W|^2."""
    dropout: float = 0.5
    """The part of each layer's inputs that is dropped."""
    chosen_by: tuple[Literal["loss", "error"], ...] = ("loss",)
    """Each member is judged at the last step at which these scores of its validation nodes were the least so far."""


def node_classifier(
    config: NodeSettings,
    model_for: Callable[[int], nn.Module],
    *,
    decayed: Decayed = kernels,
    normalise: bool = True,
    attention: bool = False,
) -> Experiment:
    """An experiment that trains `model_for(number of classes)` on the labels of some nodes of one graph.

    Where the data has validation nodes, each member is judged at the step they choose (`keep_best`), and "final_"
    metrics are those of its last step. normalise: rows of features sum to 1. attention: draw what the first layer
    sows as "attention".

    Raises ValueError for data that is not there or not sound, and for settings that do not fit it.
    """
    if config.parallel != "members":
        raise ValueError(f"--parallel: got {config.parallel}, one whole graph cannot be cut: allowed is members")
    if not config.chosen_by:
        raise ValueError("--chosen-by: got nothing, at least one of loss and error is needed")
    data = naming("--data", load_nodes, config.data)
    if not len(data.train) or not len(data.test):
        raise ValueError(f"--data {config.data}: no nodes to train on or none to test on")
    batches = _batches(data, normalise)
    model = model_for(len(data.class_names))
    task = node_classification(model, batches["train"]["graph"], decayed)
    learner = gradient_learner(config.cast(task), lambda hypers: optax.adam(hypers.learning_rate))
    splits = ["test"]
    if len(data.validation):
        learner = keep_best(learner, validation_scores(learner), config.chosen_by)
        splits = ["val", "test"]
    return Experiment(
        learner=learner,
        source=Resident(batches["train"]),
        hypers=Hypers(config.learning_rate, config.weight_decay),
        evaluations={split: _always(batches[split]) for split in splits},
        items_per_step=1,
        unit="epochs",
        figures=lambda state: _figures(model, state, batches["test"], data, attention),
    )


def _batches(data: NodeSet, normalise: bool) -> dict[str, Batch]:
    """One batch for each split: the same arrays with another mask."""
    nodes = normalise_rows(data.graph.nodes) if normalise else data.graph.nodes
    graph, y = jax.tree.map(jnp.asarray, (data.graph._replace(nodes=compressed(nodes)), data.y))

    def mask(chosen: np.ndarray) -> jax.Array:
        return jnp.zeros(len(data.y), jnp.float32).at[chosen].set(1)

    validation = mask(data.validation)
    masks = {"train": mask(data.train), "val": validation, "test": mask(data.test)}
    return {split: {"graph": graph, "y": y, "mask": mask, "validation": validation} for split, mask in masks.items()}


def _always(batch: Batch):
    return lambda: iter([batch])


def _figures(model: nn.Module, state: State, batch: Batch, data: NodeSet, attention: bool):
    """Confusion, the graph with predictions, the logits in the plane, attention: of members that did not diverge."""
    from mlr_jax.report.classification import confusion_matrix
    from mlr_jax.report.embeddings import Panel, embeddings

    inner = state.best if isinstance(state, KeptState) else state
    variables = {"params": inner.params, **inner.collections}
    logits_of_all = jax.jit(lambda all, batch: jax.lax.map(lambda one: logits_of(model, one, batch), all))
    logits = np.asarray(logits_of_all(variables, batch))
    is_sound = np.isfinite(logits).all(axis=(1, 2))
    if not is_sound.any():
        return {}
    first = int(np.flatnonzero(is_sound)[0])
    said = logits[is_sound][:, data.test].argmax(-1)
    centred = logits[first] - logits[first].mean(0)
    plane = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    panel = Panel("Logits of the first seed on their two main components", plane, data.y)
    pictures = {
        "confusion_matrix": confusion_matrix(np.tile(data.y[data.test], len(said)), said.reshape(-1), data.class_names),
        "embedding": embeddings([panel], data.class_names, axes_shown=False),
        "graph": _drawn_graph(data, logits[first].argmax(-1)),
    }
    if attention:
        one = jax.tree.map(lambda leaf: leaf[first], variables)
        pictures["attention"] = _drawn_attention(model, one, batch, data)
    return pictures


def _drawn_graph(data: NodeSet, predictions: np.ndarray):
    """A part of the graph, with true classes and with predictions."""
    from mlr_jax.report import graphs

    edges = np.stack([data.graph.senders, data.graph.receivers], axis=1)
    nodes = _part(edges, len(data.y), MOST_DRAWN)
    drawn, _ = graphs.induced(edges, nodes)
    place = graphs.layout(len(nodes), drawn)
    marked = np.isin(nodes, data.train)
    panels = [
        graphs.Panel("True classes; large: known in training", place, drawn, data.y[nodes], marked=marked),
        graphs.Panel("Wrong ones are ringed", place, drawn, data.y[nodes], predictions[nodes], marked),
    ]
    return graphs.graphs(panels, data.class_names)


def _drawn_attention(model: nn.Module, variables: Any, batch: Batch, data: NodeSet):
    """The attention of the first layer around a node, mean over heads and each of the first three."""
    from mlr_jax.report import graphs

    result: Any = model.apply(variables, batch["graph"], mutable="intermediates")
    weights = np.asarray(jax.tree.leaves(result[1])[0])[: len(data.graph.senders)]
    edges = np.stack([data.graph.senders, data.graph.receivers], axis=1)
    nodes = _part(edges, len(data.y), MOST_DRAWN // 3)
    drawn, rows = graphs.induced(edges, nodes)
    place = graphs.layout(len(nodes), drawn)
    heads = {f"Head {k + 1}": weights[:, k] for k in range(weights.shape[1])[:3]}
    kinds = {"Mean over heads": weights.mean(1), **heads}
    panels = [graphs.Panel(name, place, drawn, data.y[nodes], widths=w[rows]) for name, w in kinds.items()]
    return graphs.graphs(panels, data.class_names)


def _part(edges: np.ndarray, count: int, most: int) -> np.ndarray:
    """All nodes, or those around one of middling degree if there are more than `most`."""
    from mlr_jax.report.graphs import around

    if count <= most:
        return np.arange(count)
    degree = np.bincount(edges[:, 1], minlength=count)
    return around(edges, int(np.argsort(degree)[int(0.995 * (count - 1))]), hops=3, most=most)
