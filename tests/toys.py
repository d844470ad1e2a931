"""Tasks that are small: least squares, simple enough to be done by hand in numpy, and a convolutional network."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mlr_jax.core.types import Task
from mlr_jax.nn.cnn import CNN
from mlr_jax.supervised.classification import classification

small_cnn = classification(CNN((4,), 4, hidden=8), (8, 8, 1))
"""The smallest network that has convolutions, pooling and batch normalisation, for the images of `learners.py`."""


class Hypers(NamedTuple):
    """One traced number."""

    learning_rate: float = 0.1


def _residuals(variables, batch):
    return batch["x"] @ variables["params"]["w"] - batch["y"]


def _init(key):
    return {"params": {"w": jax.random.normal(key, (3,))}, "counts": {"losses": jnp.zeros(())}}


def _loss(variables, batch, key, hypers):
    mask = batch.get("mask", jnp.ones(batch["y"].shape))
    residuals, rows = _residuals(variables, batch), jnp.maximum(jnp.sum(mask), 1.0)
    updated = {**variables, "counts": {"losses": variables["counts"]["losses"] + 1}}
    metrics = {"absolute": jnp.sum(mask * jnp.abs(residuals)) / rows, "noise": jax.random.normal(key)}
    return jnp.sum(mask * residuals**2) / rows, (updated, metrics)


def _evaluate(variables, batch):
    return {"loss": _residuals(variables, batch) ** 2}


least_squares = Task(_init, _loss, _evaluate)
"""mean (x w - y)^2 with w [3], and a collection that counts how often the loss was computed."""


def descent(hypers):
    """Gradient descent without anything else."""
    return optax.sgd(hypers.learning_rate)


def rows(n, seed=0):
    """A batch of n rows without a mask."""
    rng = np.random.default_rng(seed)
    return {"x": rng.normal(size=(n, 3)).astype(np.float32), "y": rng.normal(size=n).astype(np.float32)}


def gradient_by_hand(w, batch):
    """(2 / n) sum_i m_i (x_i w - y_i) x_i in float64."""
    x, y, w = (np.asarray(value, np.float64) for value in (batch["x"], batch["y"], w))
    mask = np.asarray(batch.get("mask", np.ones(len(y))), np.float64)
    return 2 * ((x @ w - y) * mask) @ x / max(mask.sum(), 1)


def loss_by_hand(w, batch):
    """(1 / n) sum_i m_i (x_i w - y_i)^2 in float64."""
    x, y, w = (np.asarray(value, np.float64) for value in (batch["x"], batch["y"], w))
    mask = np.asarray(batch.get("mask", np.ones(len(y))), np.float64)
    return ((x @ w - y) ** 2) @ mask / max(mask.sum(), 1)


def descent_by_hand(w, batches, learning_rate):
    """The weights after each step of gradient descent, [n, 3]."""
    path = []
    for batch in batches:
        w = w - learning_rate * gradient_by_hand(w, batch)
        path.append(w)
    return np.stack(path)
