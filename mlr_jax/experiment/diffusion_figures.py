"""The pictures of a diffusion model: what it makes, how that becomes clear, and what lies between two of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.types import Key, Variables
from mlr_jax.generative.diffusion_sampling import noise_of_rows
from mlr_jax.generative.guided_diffusion import Sampler
from mlr_jax.generative.interpolation import spherical

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS, MOST_CLASSES = 8, 10


def diffusion_figures(
    sampler: Sampler, variables: Variables, key: Key, *, shape: tuple[int, ...], class_names: Sequence[str],
    guidance: float,
) -> dict[str, "Figure"]:  # fmt: skip
    """Images of each class as they come, with guidance, as they become clear, and on the way between two of them.

    A row for each of the first classes; the first image of a row is of the same noise in each picture. Empty where the
    parameters are not finite.
    """
    from mlr_jax.report.mosaic import mosaic

    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(variables)):
        return {}
    kinds = min(len(class_names), MOST_CLASSES)
    y = jnp.repeat(jnp.arange(kinds), COLUMNS)
    noise = noise_of_rows(key, (len(y), *shape))
    ends = noise.reshape(kinds, COLUMNS, -1)
    ways = jax.vmap(spherical, (0, 0, None))(ends[:, 0], ends[:, 1], jnp.linspace(0.0, 1.0, COLUMNS))
    path = sampler.path(variables, noise[::COLUMNS], y[::COLUMNS])
    shown = np.linspace(0, len(path) - 1, COLUMNS).round().astype(int)
    pictures = {
        "samples": sampler.decode(variables, noise, y),
        "guided": sampler.decode(variables, noise, y, jnp.float32(guidance)),
        "becoming_clear": jnp.moveaxis(path[shown], 1, 0).reshape(noise.shape),
        "interpolations": sampler.decode(variables, ways.reshape(noise.shape), y),
    }
    names = list(class_names[:kinds])
    return {name: mosaic(images.reshape(kinds, COLUMNS, *shape), names) for name, images in pictures.items()}


def training_figure(taken: np.ndarray, every: int) -> "Figure":
    """What was drawn after each `every` steps, a row each: taken [T, B, H, W, C]."""
    from mlr_jax.report.mosaic import mosaic

    return mosaic(taken, [f"step {every * (row + 1)}" for row in range(len(taken))])
