"""The pictures of an autoencoder: what it makes, what it makes again, and what its latent variables mean."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.classical import pca
from mlr_jax.core.types import Variables
from mlr_jax.data.arrays import Arrays
from mlr_jax.generative.densities import kl_from_standard_normal
from mlr_jax.generative.interpolation import spherical
from mlr_jax.generative.latent_model import LatentModel, decode, posterior
from mlr_jax.generative.latent_space import generate, lattice, most_used, reconstruct, traverse
from mlr_jax.generative.snapshots import SnapshotState

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS, MAPPED = 10, 2000
"""Pictures in a row, and test images whose place in the latent space is drawn."""
WALKED = 8
"""Latent variables that are walked along: those that tell the most."""


def autoencoder_figures(
    model: LatentModel, state: SnapshotState, test: Arrays, class_names: tuple[str, ...], every: int
) -> dict[str, "Figure"]:
    """Of one member: samples, samples over training, reconstructions, traversals, interpolations and a latent map.

    Empty for one that has diverged. `every`: steps between snapshots.
    """
    from mlr_jax.report.classification import image_grid

    params = state.inner.params
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params)):
        return {}
    pick = np.linspace(0, len(test["y"]) - 1, COLUMNS).round().astype(int)  # sets may be ordered by class
    x, y = jnp.asarray(test["x"][pick]), jnp.asarray(test["y"][pick])
    labels = jnp.arange(COLUMNS**2) // COLUMNS % max(model.classes, 1)
    drawn = generate(model, params, jax.random.key(0), labels if model.classes else COLUMNS**2)
    steps = [f"step {every * (row + 1)}" for row in range(len(state.taken))]
    made = reconstruct(model, params, x, y)
    return {
        "samples": image_grid(drawn, columns=COLUMNS),
        "samples_over_training": image_grid(
            state.taken.reshape(-1, *model.shape), _beside(steps, state.taken.shape[1]), columns=state.taken.shape[1]
        ),
        "reconstructions": image_grid(
            np.concatenate([x, made]), _beside(["given", "made again"], COLUMNS), columns=COLUMNS
        ),
        "interpolations": image_grid(_between(model, params, x, y), columns=COLUMNS),
        **_latent_figures(model, params, test, class_names),
    }


def _between(model: LatentModel, params: Variables, x: jax.Array, y: jax.Array) -> np.ndarray:
    """From each image [B, ...] of a pair to the other, in the class of the first: [B / 2 COLUMNS, *shape]."""
    means = posterior(model, params, x, y).mean
    pairs = len(x) // 2
    ways = spherical(means[:pairs], means[-pairs:], jnp.linspace(0.0, 1.0, COLUMNS)).swapaxes(0, 1)
    labels = jnp.repeat(y[:pairs], COLUMNS)
    return np.asarray(decode(model, params, ways.reshape(-1, model.latents), labels).expected)


def _latent_figures(
    model: LatentModel, params: Variables, test: Arrays, class_names: tuple[str, ...]
) -> dict[str, "Figure"]:
    from mlr_jax.report.classification import image_grid
    from mlr_jax.report.embeddings import Panel, embeddings

    x, y = test["x"], test["y"]
    rows = np.unique(np.linspace(0, len(x) - 1, MAPPED).round().astype(int))
    q = jax.jit(lambda x, y: posterior(model, params, x, y))(x[rows], y[rows])
    used = most_used(kl_from_standard_normal(q), min(WALKED, model.latents))
    values = jnp.linspace(-2.5, 2.5, COLUMNS)
    walked = traverse(model, params, q.mean[0], values, jnp.asarray(y[0]))[np.array(used)]
    titles = _beside([f"z {index}" for index in used], COLUMNS)
    pictures = {"traversals": image_grid(walked.reshape(-1, *model.shape), titles, columns=COLUMNS)}
    means, title = np.asarray(q.mean), "means of q(z | x)"
    if model.latents == 2 and not model.classes:
        pictures["lattice"] = image_grid(
            lattice(model, params, jnp.linspace(0.03, 0.97, 15)).reshape(-1, *model.shape), columns=15
        )
    if model.latents > 2:
        means = np.asarray(pca.transform(pca.fit(pca.Hypers(), means, num_components=2), means))
        title += ", their first two principal components"
    if model.latents > 1:
        pictures["latent_map"] = embeddings([Panel(title, means, y[rows])], class_names, axes_shown=True)
    return pictures


def _beside(names: Sequence[str], columns: int) -> list[str]:
    """Titles of a grid of which only the first picture of each row has one."""
    return [name if column == 0 else "" for name in names for column in range(columns)]
