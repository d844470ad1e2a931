"""What five classes of CIFAR-10 teach a network about the other five, from 1 %, 10 % and 100 % of their labels.

    python experiments/vision/transfer_cifar10_to_other_classes.py --data FOLDER

For each seed a small residual network learns five classes; then the other five are learned from a part of their 25,000
labels: from scratch, by a linear probe (the last layer on fixed features), by fine-tuning all layers, and by thawing
them one after another from the output down, with smaller rates below (Howard & Ruder, 2018). All take as many steps.
Intervals are over seeds, each with its own pretraining, labels and order.
Expected of 5 seeds, from scratch and fine-tuned: 51.4 and 60.4 % right with 1 % of the labels, 68.1 and 72.6 % with
10 %, 75.8 and 78.4 % with all; 125 s on an H100.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.on_device import OnDeviceState, on_device
from mlr_jax.core.optimizers import sgd
from mlr_jax.core.scan import repeat
from mlr_jax.core.schedules import one_cycle
from mlr_jax.core.types import Learner, Task, Variables
from mlr_jax.data.arrays import Arrays, check_batch_size, evaluation_batches, stratified_split
from mlr_jax.data.augment import augment, channel_moments, random_crop, random_flip, standardise
from mlr_jax.data.images import load_images
from mlr_jax.experiment.image_classifier import EVALUATION_ROWS, naming, variables_of
from mlr_jax.experiment.stopwatch import Stopwatch
from mlr_jax.experiment.study import Findings, Picture, Study, StudySettings, Table, check_least, main
from mlr_jax.nn.resnet import cifar_resnet
from mlr_jax.report.statistics import interval
from mlr_jax.report.validation_curves import score_curves
from mlr_jax.supervised.classification import classification
from mlr_jax.train.evaluate import evaluate
from mlr_jax.transfer.freeze import discriminative, gradual, linear_probe, start_from, thawed

HEAD = "head/.*"
FROM_OUTPUT_TO_INPUT = (HEAD, "maps/stage2.*", "maps/stage1.*", "maps/stage0.*", "maps/stem.*")


@dataclass(frozen=True)
class Config(StudySettings):
    """Transfer between classes of CIFAR-10."""

    data: str = "tfds:cifar10"
    """tfds:NAME, digits, or a path: an .npz file or a folder SPLIT/CLASS/*.jpg; of ten classes."""
    source: tuple[int, ...] = (0, 2, 4, 6, 8)
    """Classes to learn first; the others are those to transfer to."""
    parts: tuple[float, ...] = (0.01, 0.1, 1.0)
    """Of the labels of the other classes that may be used."""
    steps: tuple[int, ...] = (300, 600, 1200)
    """To take with each part."""
    pretraining: int = 2000
    """Steps on the first classes."""
    batch_size: int = 64
    """Rows in a batch."""
    layers: int = 8
    """Of the residual network: 8, 14, 20, ..."""
    widths: tuple[int, ...] = (16, 32, 64)
    """Channels of its three stages."""
    rate: float = 0.1
    """The greatest learning rate, from scratch and of a probe."""
    tuning_rate: float = 0.03
    """The same where a trained network is tuned."""


TINY = {
    "data": "digits", "seeds": 2, "parts": (1.0,), "steps": (4,), "pretraining": 4, "batch_size": 16,
    "widths": (4, 8, 8),
}  # fmt: skip


class Hypers(NamedTuple):
    """What the loss, the optimizer and the rates of layers read."""

    learning_rate: float
    weight_decay: float = 5e-4
    clip_norm: float = 5.0
    label_smoothing: float = 0.0
    momentum: float = 0.9
    layer_decay: float = 1.0
    thaw_every: int = 0


class Method(NamedTuple):
    """A way to learn the other classes: from a trained network or from none, and of which layers with what rates."""

    hypers: Hypers
    is_pretrained: bool = True
    is_probe: bool = False


def methods(config: Config, steps: int) -> dict[str, Method]:
    """The four ways, by name."""
    return {
        "from scratch": Method(Hypers(config.rate), is_pretrained=False),
        "linear probe": Method(Hypers(config.rate), is_probe=True),
        "fine-tuned": Method(Hypers(config.tuning_rate)),
        "thawed": Method(Hypers(config.tuning_rate, layer_decay=0.7, thaw_every=steps // 10)),
    }


class Data(NamedTuple):
    """Rows to train on and to test on, with labels 0, 1, ..."""

    train: Arrays
    test: Arrays


class Trainer(NamedTuple):
    """Trains a network for a number of steps, and scores it.

    train: key, method, rows, variables to start from -> variables
    score: variables, rows -> accuracy
    """

    train: Callable[[jax.Array, Method, Arrays, Variables | None], Variables]
    score: Callable[[Variables, Arrays], float]


def build(config: Config) -> Study:
    """The study."""
    check_least(config, pretraining=1)
    if len(config.parts) != len(config.steps) or not all(0 < part <= 1 for part in config.parts):
        raise ValueError(f"--parts: got {config.parts}, allowed are numbers in (0, 1], as many as --steps")
    dataset = naming("--data", load_images, config.data)
    classes, first = set(range(len(dataset.class_names))), sorted(set(config.source))
    others = sorted(classes - set(first))
    if not set(first) <= classes or min(len(first), len(others)) < 2:
        raise ValueError(f"--source: got {config.source}, allowed are 2 or more of the {len(classes)} classes, not all")
    source, target = (Data(_only(dataset.train, of), _only(dataset.test, of)) for of in (first, others))
    fewest = min(len(source.train["y"]), int(min(config.parts) * len(target.train["y"])))
    naming("--batch-size", check_batch_size, config.batch_size, fewest)
    members = [{"seed": seed} for seed in range(config.seed, config.seed + config.seeds)]
    return Study(members, partial(measure, config, source, target))


def measure(config: Config, source: Data, target: Data, watch: Stopwatch) -> Findings:
    """Pretrain for each seed, then learn the other classes in every way from every part of the labels."""
    moments, shape = channel_moments(source.train["x"]), source.train["x"].shape[1:]

    def trainer_of(data: Data, steps: int) -> Trainer:
        model = cifar_resnet(config.layers, len(np.unique(data.train["y"])), widths=config.widths)
        return trainer(standardise(classification(model, shape), *moments), steps, config.batch_size)

    pretrainer = trainer_of(source, config.pretraining)
    trainers = [trainer_of(target, steps) for steps in config.steps]
    accuracy: dict[str, list[float]] = {}
    seeds = range(config.seed, config.seed + config.seeds)

    def timed(what: str, seed: int, *call: Any) -> Variables:
        """The last seed's time is of programs that are compiled already."""
        return watch.plain(what, *call) if seed == seeds[-1] else call[0](*call[1:])

    for seed in seeds:
        key = jax.random.key(seed)
        fresh = Method(Hypers(config.rate), is_pretrained=False)
        given = timed("pretraining", seed, pretrainer.train, key, fresh, source.train, None)
        accuracy.setdefault("pretrained", []).append(pretrainer.score(given, source.test))
        for part, steps, learner in zip(config.parts, config.steps, trainers, strict=True):
            rows = target.train if part == 1 else _part(target.train, part, seed)
            for name, method in methods(config, steps).items():
                row = f"{name} {part:.0%}"
                final = timed(row, seed, learner.train, key, method, rows, given)
                accuracy.setdefault(row, []).append(learner.score(final, target.test))
    return _findings(config, {name: np.array(values) for name, values in accuracy.items()}, len(target.train["y"]))


def trainer(task: Task, steps: int, batch_size: int) -> Trainer:
    """Stochastic gradient descent with one cycle over the steps; programs are compiled once for each shape of data."""
    varied = augment(task, partial(random_crop, padding=4), random_flip)

    def learner(is_probe: bool, given: Variables | None) -> Learner:
        start = varied if given is None else start_from(varied, given, HEAD)
        part = linear_probe(start, HEAD) if is_probe else start
        rates = gradual([HEAD] if is_probe else FROM_OUTPUT_TO_INPUT)
        return on_device(gradient_learner(part, discriminative(sgd(one_cycle(steps)), rates)), batch_size)

    def init(is_probe: bool, key: jax.Array, hypers: Hypers, given: Variables | None) -> OnDeviceState:
        state: OnDeviceState = learner(is_probe, given).init(key, hypers)
        return jax.tree.map(jnp.copy, state)

    compiled_init = jax.jit(init, static_argnums=0)
    programs = {is_probe: repeat(learner(is_probe, None), steps) for is_probe in (False, True)}
    evaluate_batch = jax.jit(task.evaluate)

    def train(key: jax.Array, method: Method, rows: Arrays, given: Variables | None) -> Variables:
        state = compiled_init(method.is_probe, key, method.hypers, given if method.is_pretrained else None)
        state, _ = programs[method.is_probe](state, jax.tree.map(jnp.asarray, rows))
        variables = variables_of(state)
        return thawed(variables) if method.is_probe else variables

    def score(variables: Variables, rows: Arrays) -> float:
        return float(evaluate(evaluate_batch, variables, evaluation_batches(rows, EVALUATION_ROWS))["accuracy"])

    return Trainer(train, score)


def _only(arrays: Arrays, classes: Sequence[int]) -> Arrays:
    """The rows of these classes, labelled by their place among them."""
    rows = np.isin(arrays["y"], classes)
    return {"x": arrays["x"][rows], "y": np.searchsorted(classes, arrays["y"][rows]).astype(np.int32)}


def _part(arrays: Arrays, part: float, seed: int) -> Arrays:
    """A random part of the rows, of each class alike."""
    _, rows = stratified_split(arrays["y"], part, seed=seed)
    return {name: array[rows] for name, array in arrays.items()}


def _findings(config: Config, accuracy: Mapping[str, np.ndarray], num_rows: int) -> Findings:
    names = list(methods(config, 1))

    def table_row(part: float) -> list[Any]:
        found = [accuracy[f"{name} {part:.0%}"] for name in names]
        return [f"{part:.0%}", *map(interval, found), interval(found[2] - found[0])]

    curves = {name: np.stack([1 - accuracy[f"{name} {part:.0%}"] for part in config.parts]) for name in names}
    labels = [part * num_rows for part in config.parts]
    picture = score_curves({"": (labels, curves)}, "Labels of the new classes", "Test error", columns=1)
    columns = ("labels", *names, "fine-tuned minus from scratch")
    return Findings(
        metrics={f"accuracy_{name}".replace(" ", "_"): values for name, values in accuracy.items()},
        tables=[Table("Test accuracy on the other classes", columns, [table_row(part) for part in config.parts])],
        pictures={"transfer": Picture(picture, "Test error by the number of labels, with 95 % intervals over seeds.")},
    )


if __name__ == "__main__":
    main(Config, build, TINY)
