"""The pictures of an autoencoder: what it makes, what it makes again, and what its latent variables mean."""

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.classical import tsne
from mlr_jax.core.types import Variables
from mlr_jax.data.arrays import Arrays
from mlr_jax.experiment.run import compiled
from mlr_jax.generative.densities import kl_from_standard_normal
from mlr_jax.generative.interpolation import spherical
from mlr_jax.generative.latent_model import LatentModel, decode, posterior
from mlr_jax.generative.latent_space import generate, lattice, most_used, reconstruct, traverse
from mlr_jax.generative.snapshots import SnapshotState

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE, MAPPED, WALKED = 10, 1000, 8
"""Pictures in a row, test images whose place is mapped, and latent variables walked along: those that tell the most."""

TSNE_STEPS = 400


class Rows(NamedTuple):
    """Images [N, *shape] and their classes [N]."""

    x: Any
    y: Any


class Views(NamedTuple):
    """Rows of images, [rows, columns, *shape], and where the test images are: means [N, L], divergences [N, L]."""

    samples: jax.Array
    again: jax.Array
    between: jax.Array
    walks: jax.Array
    lattice: jax.Array | None
    means: jax.Array
    divergences: jax.Array


def autoencoder_figures(
    model: LatentModel, state: SnapshotState, test: Arrays, class_names: tuple[str, ...], every: int
) -> dict[str, "Figure"]:
    """Of one member: samples, samples over training, reconstructions, traversals, interpolations and a latent map.

    Empty for one that has diverged. `every`: steps between snapshots.
    """
    from mlr_jax.report.embeddings import Panel, embeddings
    from mlr_jax.report.mosaic import mosaic

    params = state.inner.params
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params)):
        return {}
    few, many = _spread(test, SIDE), _spread(test, MAPPED)
    program, _ = compiled(lambda params, few, many: _views(model, params, few, many), params, few, many, once=True)
    views = program(params, few, many)
    names = [f"step {every * (row + 1)}" for row in range(len(state.taken))]
    used = most_used(views.divergences, min(WALKED, model.latents))
    pictures = {
        "samples": mosaic(views.samples, class_names[:SIDE] if model.classes >= SIDE else ()),
        "samples_over_training": mosaic(state.taken, names),
        "reconstructions": mosaic(np.stack([few.x, views.again]), ["given", "made again"]),
        "interpolations": mosaic(views.between),
        "traversals": mosaic(views.walks[np.array(used)], [f"z {index}" for index in used]),
    }
    if views.lattice is not None:
        pictures["lattice"] = mosaic(views.lattice)
    if model.latents > 1:
        title, points = "means of q(z | x)", np.asarray(views.means)
        if model.latents > 2:
            title, nearness = f"{title}, by t-SNE", tsne.Hypers(min(30.0, len(points) / 4))
            points = np.asarray(tsne.fit(nearness, points, iterations=TSNE_STEPS, early_iterations=100).points)
        pictures["latent_map"] = embeddings([Panel(title, points, many.y)], class_names, axes_shown=True)
    return pictures


def _views(model: LatentModel, params: Variables, few: Rows, many: Rows) -> Views:
    """`few` are looked at, `many` are mapped."""
    x, y = few
    shape, key, places = model.shape, jax.random.key(0), jnp.linspace(0.0, 1.0, SIDE)
    drawn = jnp.repeat(jnp.arange(SIDE) % model.classes, SIDE) if model.classes else SIDE**2
    q, of_many = posterior(model, params, x, y), posterior(model, params, *many)
    pairs = len(x) // 2  # from each of the first half of the images to one of the second, in the class of the former
    ways = spherical(q.mean[:pairs], q.mean[-pairs:], places).swapaxes(0, 1)
    between = decode(model, params, ways.reshape(-1, model.latents), jnp.repeat(y[:pairs], SIDE)).expected
    is_plane = model.latents == 2 and not model.classes
    return Views(
        samples=generate(model, params, key, drawn).reshape(SIDE, SIDE, *shape),
        again=reconstruct(model, params, x, y),
        between=between.reshape(pairs, SIDE, *shape),
        walks=traverse(model, params, q.mean[0], jnp.linspace(-2.5, 2.5, SIDE), y[0]),
        lattice=lattice(model, params, jnp.linspace(0.03, 0.97, 15)) if is_plane else None,
        means=of_many.mean,
        divergences=kl_from_standard_normal(of_many),
    )  # fmt: skip


def _spread(arrays: Arrays, count: int) -> Rows:
    """`count` rows at most, spread evenly: sets may be ordered by class."""
    rows = np.unique(np.linspace(0, len(arrays["y"]) - 1, count).round().astype(int))
    return Rows(arrays["x"][rows], arrays["y"][rows])
