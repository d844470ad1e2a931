"""What experiments that generate images share: a classifier of the same images, and how near new ones are to real ones.

The classifier is small, always trained alike, and kept in the user's cache folder, so that models of one set of images
are measured by the same features: their numbers stand in one table.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.on_device import on_device
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.schedules import one_cycle
from mlr_jax.core.types import Key, Resident, State, Variables
from mlr_jax.data.arrays import Arrays, Dataset, pad_rows
from mlr_jax.generative.feature_metrics import frechet_distance, precision_recall
from mlr_jax.nn.cnn import CNN
from mlr_jax.supervised.classification import Hypers, classification
from mlr_jax.train.loop import fit

WIDTHS, FEATURES, BATCH = (24, 48), 64, 128
"""Of the classifier: channels of its stages, the layer whose outputs are the features, and rows of a training step."""

AT_ONCE = 500
"""Images that are drawn, and looked at, in one call."""

Draw = Callable[[State, Key, jax.Array], jax.Array]
"""State of one member, key, classes y [B] -> images [B, H, W, C] in [0, 1]. Without classes only B counts."""


class Judge(NamedTuple):
    """What new images are measured by.

    features: images [N, H, W, C] -> [N, D] float32
    real:     features of a half of the real images, [N, D]
    y:        classes of that half, [N]
    floor:    the Frechet distance of the other half, which is as real: what no generator is expected to undercut
    """

    features: Callable[[np.ndarray], np.ndarray]
    real: np.ndarray
    y: np.ndarray
    floor: float


def judge_of(dataset: Dataset, *, rows: int = 10_000, steps: int = 1000) -> Judge:
    """A classifier trained for `steps` on the training images, and at most `rows` images in each half of all."""
    model = CNN(WIDTHS, len(dataset.class_names), hidden=FEATURES)
    variables = _trained(model, dataset.train, steps)
    x, y = (np.concatenate([dataset.train[name], dataset.test[name]]) for name in ("x", "y"))
    half = min(rows, len(y) // 2)
    order = np.random.default_rng(0).permutation(len(y))

    @jax.jit
    def features_of(x: jax.Array) -> jax.Array:
        """What the classifier's last layer is given."""
        _, kept = model.apply(variables, x, capture_intermediates=lambda module, _: module.name == "Dropout_0")
        return kept["intermediates"]["Dropout_0"]["__call__"][0]

    def features(x: np.ndarray) -> np.ndarray:
        return in_parts(lambda part, _: features_of(part), x)

    real, other = features(x[order[:half]]), features(x[order[half : 2 * half]])
    return Judge(features, real, y[order[:half]], float(jax.jit(frechet_distance)(other, real)))


def quality(judge: Judge, draw: Callable[[Key, jax.Array], jax.Array], key: Key) -> dict[str, float]:
    """How near images of `draw(key, y)` are to the real ones: as many, of the same classes."""
    images = in_parts(lambda y, part: draw(jax.random.fold_in(key, part), y), judge.y)
    drawn = judge.features(images)
    precision, recall = jax.jit(precision_recall)(judge.real, drawn)
    distance = float(jax.jit(frechet_distance)(drawn, judge.real))
    return {
        "frechet_distance": distance, "frechet_floor": judge.floor, "precision": float(precision),
        "recall": float(recall),
    }  # fmt: skip


def generator_scores(
    dataset: Dataset, draw: Draw, *, rows: int = 10_000, steps: int = 1000, seed: int = 0
) -> Callable[[str, State], Mapping[str, np.ndarray]]:
    """The `scores` of an experiment: `quality` of each member, [M] each.

    rows, steps: as `judge_of`, which is asked at the first evaluation and not before.
    """
    judge = cache(lambda: judge_of(dataset, rows=rows, steps=steps))

    def scores(split: str, state: State) -> dict[str, np.ndarray]:
        members = jax.tree.leaves(state)[0].shape[0]
        each = []
        for member in range(members):
            each.append(quality(judge(), partial(draw, member_of(state, member)), jax.random.key(seed)))
        return {name: np.array([of[name] for of in each]) for name in each[0]}

    return scores


@jax.jit
def member_of(state: State, member: int) -> State:
    """The state of one member of a sweep: compiled, since leaf by leaf each shape would be a program."""
    return jax.tree.map(lambda leaf: leaf[member], state)


class Album:
    """Samples at a few moments of training, by step: `pages`. Of a resumed run those since it was resumed."""

    def __init__(self, draw: Callable[[State], Any]):
        """draw: state of all members -> samples, [M, N, ...]."""
        self.draw, self.pages = draw, dict[int, np.ndarray]()

    def add(self, step: int, state: State) -> None:
        """Samples of the state, which is that of this step."""
        self.pages[step] = np.asarray(self.draw(state))


def in_parts(function: Callable[[jax.Array, int], jax.Array], array: np.ndarray) -> np.ndarray:
    """function(rows, number of the part) of parts of one shape, joined: array [N, ...] -> [N, ...]."""
    size = min(AT_ONCE, len(array))
    parts = [
        np.asarray(function(jnp.asarray(pad_rows(array[start : start + size], size)), part))
        for part, start in enumerate(range(0, len(array), size))
    ]
    return np.concatenate(parts)[: len(array)]


def _trained(model: CNN, train: Arrays, steps: int) -> Variables:
    """The classifier's variables, from the cache folder where the same training has left them there."""
    digest = hashlib.sha256(repr((model, steps, BATCH)).encode())
    for name in ("x", "y"):
        digest.update(np.ascontiguousarray(train[name]).tobytes())
    cached = _cache_folder() / f"{digest.hexdigest()[:20]}.npz"
    if cached.exists():
        with np.load(cached, allow_pickle=False) as arrays:
            return unflatten_dict(dict(arrays), sep="/")
    task = classification(model, train["x"].shape[1:])
    learner = on_device(gradient_learner(task, adamw(one_cycle(steps))), min(BATCH, len(train["y"])))
    state = jax.jit(learner.init)(jax.random.key(0), Hypers(learning_rate=3e-3, weight_decay=1e-2))
    data = {name: jnp.asarray(train[name]) for name in ("x", "y")}
    inner: Any = fit(learner, state, Resident(data), num_steps=steps, chunk=min(100, steps))[0].inner
    flat = flatten_dict(jax.device_get({"params": inner.params, **inner.collections}), sep="/")
    cached.parent.mkdir(parents=True, exist_ok=True)
    partial = cached.with_suffix(f".{os.getpid()}.npz")  # another run may be writing the same
    np.savez(partial, **flat)
    os.replace(partial, cached)
    return unflatten_dict(flat, sep="/")


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mlr_jax" / "features"
