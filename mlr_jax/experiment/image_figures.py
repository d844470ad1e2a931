"""The pictures of an image classifier: how it does on the test images, and what it looks at."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mlr_jax.core.types import Variables
from mlr_jax.data.arrays import Arrays, evaluation_batches
from mlr_jax.experiment.run import compiled
from mlr_jax.nn.mirrored import Mirrored
from mlr_jax.supervised.activations import class_activation, feature_maps, first_filters, map_layers
from mlr_jax.supervised.classification import predict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Prepare = Callable[[jax.Array], jax.Array]
"""Images -> what the model is given of them."""

ROWS = 512
SHOWN = 16
"""Test images whose class-activation maps are drawn."""
LAYERS = 5
"""Layers whose feature maps are drawn, from the first to the last."""


def classifier_figures(
    model: nn.Module, variables: Variables, test: Arrays, class_names: tuple[str, ...], prepared: Prepare
) -> dict[str, "Figure"]:
    """How the members that did not diverge do on the test images, and what the first of them looks at.

    variables: of all members.
    """
    from mlr_jax.report.classification import confusion_matrix, worst_mistakes

    of_all = jax.jit(lambda variables, x: lax.map(lambda one: predict(model, one, prepared(x)), variables))
    parts = [
        np.asarray(of_all(variables, batch["x"]))[:, np.asarray(batch["mask"]) > 0]
        for batch in evaluation_batches(test, ROWS)
    ]
    probabilities = np.concatenate(parts, axis=1)
    is_sound = np.isfinite(probabilities).all(axis=(1, 2))  # a member that diverged has no opinion
    if not is_sound.any():
        return {}
    probabilities, first = probabilities[is_sound], int(np.flatnonzero(is_sound)[0])
    labels = np.tile(test["y"], probabilities.shape[0])
    return {
        "confusion_matrix": confusion_matrix(labels, probabilities.argmax(-1).reshape(-1), class_names),
        "worst_mistakes": worst_mistakes(test["x"], test["y"], probabilities.mean(0), class_names),
        **looking_figures(model, jax.tree.map(lambda leaf: leaf[first], variables), test, class_names, prepared),
    }


def looking_figures(
    model: nn.Module, variables: Variables, test: Arrays, class_names: tuple[str, ...], prepared: Prepare
) -> dict[str, "Figure"]:
    """First filters, feature maps and class-activation maps of one network; none of one that has but a layer of maps.

    The images are the first of the test set, one or more of each class.
    """
    from mlr_jax.report import vision

    pictures: dict[str, Figure] = {}
    model = model.model if isinstance(model, Mirrored) else model  # one image at a time
    images = test["x"][_first_of_each(test["y"], SHOWN)]
    x = jnp.asarray(images)
    kernel, layers = first_filters(model, variables, x), list(map_layers(model, variables, x))
    if kernel is not None and min(kernel.shape[:2]) > 1 and kernel.shape[2] in (1, 3):
        pictures["first_filters"] = vision.filters(kernel)

    def look(variables: Variables, x: jax.Array) -> tuple[dict[str, jax.Array], jax.Array, jax.Array]:
        maps = feature_maps(model, variables, prepared(x))
        guesses = jnp.argmax(predict(model, variables, prepared(x)), axis=-1)
        return maps, guesses, class_activation(model, variables, prepared(x), guesses)

    if len(layers) < 2:
        return pictures
    program, _ = compiled(look, variables, x, once=True)
    maps, guesses, heats = program(variables, x)
    names = [class_names[guess] for guess in np.asarray(guesses)]
    chosen = [layers[index] for index in np.unique(np.linspace(0, len(layers) - 1, LAYERS).round().astype(int))]
    pictures["feature_maps"] = vision.feature_maps(images[0], {name: maps[name][0] for name in chosen})
    pictures["class_activation"] = vision.class_activation(images, heats, names)
    return pictures


def _first_of_each(labels: np.ndarray, count: int) -> np.ndarray:
    """Numbers of `count` rows: the first of each class, then the second of each, ..."""
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], labels[order])
    rank = np.arange(len(labels)) - starts
    return order[np.argsort(rank, kind="stable")][:count]
