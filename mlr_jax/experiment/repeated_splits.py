"""One estimator on many splits of one set: each split is a row of weights, so all of them are one compiled program."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mlr_jax.core.types import Estimator
from mlr_jax.data.arrays import stratified_split
from mlr_jax.data.images import load_images
from mlr_jax.data.tabular import split_weights
from mlr_jax.experiment.image_classifier import naming


class Splits(NamedTuple):
    """A classification set with S splits.

    x:           [N, D]
    y:           [N] int, an index into `class_names`
    weights:     [S, N], 1 for a row to train on, 0 for a row to test on
    class_names: K names
    shape:       of the image that a row is, () for other rows
    """

    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    class_names: tuple[str, ...]
    shape: tuple[int, ...] = ()

    @property
    def seeds(self) -> range:
        """Numbers of the splits."""
        return range(len(self.weights))

    def train(self, split: int) -> tuple[np.ndarray, np.ndarray]:
        """x and y of the training rows of a split, for those who take no weights."""
        return self.x[self.weights[split] > 0], self.y[self.weights[split] > 0]

    def test(self, split: int) -> tuple[np.ndarray, np.ndarray]:
        """x and y of its test rows."""
        return self.x[self.weights[split] == 0], self.y[self.weights[split] == 0]


class Images(NamedTuple):
    """Images as rows: x [N, D] pixels in [0, 1], y [N], K class names, and the shape that a row had."""

    x: np.ndarray
    y: np.ndarray
    class_names: tuple[str, ...]
    shape: tuple[int, ...]


def image_rows(spec: str, rows: int) -> Images:
    """All images of a set, or `rows` of them with the shares that classes have in it.

    Raises ValueError, naming --data, for a set that is not there.
    """
    dataset = naming("--data", load_images, spec)
    images, y = (np.concatenate([dataset.train[name], dataset.test[name]]) for name in ("x", "y"))
    if rows < len(y):
        _, chosen = stratified_split(y, rows, seed=0)
        images, y = images[chosen], y[chosen]
    return Images(images.reshape(len(images), -1), y, dataset.class_names, images.shape[1:])


def image_splits(spec: str, rows: int, test_part: float, seeds: range) -> Splits:
    """The same with a random stratified split for each seed. Raises what `image_rows` raises."""
    x, y, class_names, shape = image_rows(spec, rows)
    return Splits(x, y, split_weights(y, test_part, seeds), class_names, shape)


def scores_on(estimator: Estimator) -> Callable[..., jax.Array]:
    """A program keys [S], hypers, x, y, weights [S, N] -> scores of all rows by each split's model, [S, N, K].

    Splits are fitted one after another, which on a CPU is as fast as side by side and takes less memory.
    """

    @jax.jit
    def program(keys: jax.Array, hypers: Any, x: jax.Array, y: jax.Array, weights: jax.Array) -> jax.Array:
        def one(split: tuple[jax.Array, jax.Array]) -> jax.Array:
            key, weight = split
            return estimator.predict(estimator.fit(key, hypers, x, y, weight), x)

        return lax.map(one, (keys, weights))

    return program


def error_rates(scores: Any, y: np.ndarray, weights: np.ndarray, *, held_out: bool = True) -> np.ndarray:
    """The share of wrong rows of each split, [S], among those held out or those trained on: scores [S, N, K]."""
    wrong = np.asarray(scores).argmax(-1) != y[None]
    counted = (weights == 0) if held_out else (weights > 0)
    return (wrong & counted).sum(1) / counted.sum(1)


def peer_errors(make: Callable[[int], Any], splits: Splits) -> np.ndarray:
    """The same of scikit-learn's `make(seed)`, fitted on the training rows of each split: [S]."""
    errors = []
    for split in splits.seeds:
        x, y = splits.test(split)
        errors.append(np.mean(make(split).fit(*splits.train(split)).predict(x) != y))
    return np.array(errors)


def keys_of(seeds: range) -> jax.Array:
    """A key for each seed."""
    return jax.vmap(jax.random.key)(jnp.array(seeds))
