"""The vision cases: a network of ours and the same in PyTorch, on the same made images; and a sweep of a small one."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.cases import vision_peers
from benchmarks.in_turn import Call, Case
from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.scan import scan
from mlr_jax.core.sweep import sweep
from mlr_jax.core.types import Learner
from mlr_jax.nn.cnn import CNN
from mlr_jax.nn.lenet import LeNet5
from mlr_jax.nn.resnet import cifar_resnet, resnet
from mlr_jax.nn.vit import vit
from mlr_jax.supervised.classification import Hypers, classification

CLASSES, STEPS, SEEDS = 10, 4, 8


class Program(NamedTuple):
    """A compiled step, or chunk of them, and what it is called with."""

    run: Any
    state: Any
    batch: Any


def lenet(with_peers: bool = True) -> Case:
    """LeNet-5, batches of 128 images of 28x28."""
    return _beside_peers(LeNet5(CLASSES), 128, (28, 28, 1), vision_peers.lenet if with_peers else None)


def resnet20(with_peers: bool = True) -> Case:
    """ResNet-20 for 32x32 images, batches of 128."""
    peer = vision_peers.resnet20 if with_peers else None
    return _beside_peers(cifar_resnet(20, CLASSES), 128, (32, 32, 3), peer)


def resnet18(with_peers: bool = True) -> Case:
    """ResNet-18 with the stem for 32x32 images, batches of 64."""
    peer = vision_peers.resnet18 if with_peers else None
    return _beside_peers(resnet(18, CLASSES, stem="cifar"), 64, (32, 32, 3), peer)


def vit_tiny(with_peers: bool = True) -> Case:
    """ViT-Ti on 64 patches of 4x4 of 32x32 images, batches of 64."""
    peer = vision_peers.vit_tiny if with_peers else None
    return _beside_peers(vit("tiny", CLASSES, patch=4), 64, (32, 32, 3), peer)


def cnn_sweep(with_peers: bool = True) -> Case:
    """Eight seeds of the small CNN: side by side, one after another in one program, and as programs of their own."""
    rows, shape = 64, (28, 28, 1)
    learner = _learner(CNN((16, 32), CLASSES, hidden=64), shape)
    batches = _batches(STEPS, rows, shape)
    keys = jax.vmap(jax.random.key)(jnp.arange(SEEDS))
    hypers = jax.tree.map(lambda leaf: jnp.full(SEEDS, leaf), Hypers(vision_peers.RATE))
    contestants = {}
    for layout in ("vmap", "map"):
        together = sweep(learner, layout)  # type: ignore[arg-type]
        state = jax.jit(together.init)(keys, hypers)
        contestants[f"sweep of {SEEDS}, layout {layout}"] = _trained(Program(scan(together, STEPS), state, batches))
    alone = scan(learner, STEPS)
    init = jax.jit(learner.init)
    calls = [_trained(Program(alone, init(key, Hypers(vision_peers.RATE)), batches)) for key in keys]
    contestants[f"{SEEDS} runs one after another"] = lambda: [call() for call in calls][-1]
    return Case(contestants, STEPS * SEEDS, rows)


def step_of(model: nn.Module, rows: int, shape: tuple[int, ...]) -> Program:
    """One step a call."""
    learner = _learner(model, shape)
    state = jax.jit(learner.init)(jax.random.key(0), Hypers(vision_peers.RATE))
    batch = jax.tree.map(lambda leaf: leaf[0], _batches(1, rows, shape))
    return Program(jax.jit(learner.step, donate_argnums=0), state, batch)


PROFILED: dict[str, Callable[[], Program]] = {
    "lenet": lambda: step_of(LeNet5(CLASSES), 128, (28, 28, 1)),
    "resnet20": lambda: step_of(cifar_resnet(20, CLASSES), 128, (32, 32, 3)),
    "resnet18": lambda: step_of(resnet(18, CLASSES, stem="cifar"), 64, (32, 32, 3)),
    "vit_tiny": lambda: step_of(vit("tiny", CLASSES, patch=4), 64, (32, 32, 3)),
}
"""One step of ours, for a profile."""

CASES: dict[str, Callable[[bool], Case]] = {
    "lenet": lenet,
    "resnet20": resnet20,
    "resnet18": resnet18,
    "vit_tiny": vit_tiny,
    "cnn_sweep": cnn_sweep,
}


def _beside_peers(model: nn.Module, rows: int, shape: tuple[int, ...], peer: Callable[[], Any] | None) -> Case:
    learner = _learner(model, shape)
    batches = _batches(STEPS, rows, shape)
    init = jax.jit(learner.init)
    contestants: dict[str, Call] = {
        "ours, one step a call": _one_by_one(step_of(model, rows, shape), batches),
        "ours, scanned": _trained(
            Program(scan(learner, STEPS), init(jax.random.key(0), Hypers(vision_peers.RATE)), batches)
        ),
    }
    if peer is not None and find_spec("torch"):
        arrays = jax.tree.map(np.asarray, batches)
        contestants["PyTorch"] = vision_peers.trained(peer(), arrays, compiled=False)
        contestants["PyTorch, compiled"] = vision_peers.trained(peer(), arrays, compiled=True)
    return Case(contestants, STEPS, rows)


def _learner(model: nn.Module, shape: tuple[int, ...]) -> Learner:
    task = classification(model, shape)
    return gradient_learner(task, lambda hypers: optax.sgd(hypers.learning_rate, vision_peers.MOMENTUM))


def _batches(count: int, rows: int, shape: tuple[int, ...]) -> dict[str, jax.Array]:
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(count, rows, *shape)).astype(np.float32)
    return {"x": jnp.asarray(x), "y": jnp.asarray(rng.integers(CLASSES, size=(count, rows)), jnp.int32)}


def _trained(program: Program) -> Call:
    state = program.state

    def call() -> float:
        nonlocal state
        state, metrics = program.run(state, program.batch)
        return float(metrics["loss"].reshape(-1)[-1])

    return call


def _one_by_one(program: Program, batches: dict[str, jax.Array]) -> Call:
    state = program.state
    each = [jax.tree.map(lambda leaf, step=step: leaf[step], batches) for step in range(STEPS)]

    def call() -> float:
        nonlocal state
        for batch in each:
            state, metrics = program.run(state, batch)
        return float(metrics["loss"])

    return call
