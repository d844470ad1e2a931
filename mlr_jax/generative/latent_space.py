"""A look around in the latent space of a model: samples, reconstructions, walks along an axis and between two points.

Images are what a decoder expects of x, not draws of its noise. Every function is pure, and compiles as one program.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Key, Variables
from mlr_jax.generative.latent_model import LatentModel, decode, posterior


def generate(model: LatentModel, params: Variables, key: Key, y: jax.Array | int) -> jax.Array:
    """New images of z ~ Normal(0, I): [N, *shape] for N of no class, or for the classes y [N]."""
    labels, count = (None, y) if isinstance(y, int) else (y, y.shape[0])
    return decode(model, params, jax.random.normal(key, (count, model.latents)), labels).expected


def reconstruct(model: LatentModel, params: Variables, x: jax.Array, y: jax.Array | None = None) -> jax.Array:
    """What the mean of q(z | x) stands for: x [B, *shape] -> [B, *shape]."""
    return decode(model, params, posterior(model, params, x, y).mean, y).expected


def traverse(
    model: LatentModel, params: Variables, z: jax.Array, values: jax.Array, y: jax.Array | None = None
) -> jax.Array:
    """One latent variable of z [L] after another takes the values [V], the others stay: [L, V, *shape].

    y [] is the class, where the model has classes.
    """
    L, V = z.shape[0], values.shape[0]
    is_moved = jnp.eye(L, dtype=bool)[:, None, :]
    points = jnp.where(is_moved, values[None, :, None], z[None, None, :]).reshape(L * V, L)
    labels = None if y is None else jnp.broadcast_to(y, (L * V,))
    return decode(model, params, points, labels).expected.reshape(L, V, *model.shape)


def lattice(model: LatentModel, params: Variables, quantiles: jax.Array) -> jax.Array:
    """Of two latent variables, each at the given quantiles [V] of its prior: [V, V, *shape], the second upwards."""
    values = jax.scipy.stats.norm.ppf(quantiles)
    up, right = jnp.meshgrid(values[::-1], values, indexing="ij")
    z = jnp.stack([right.ravel(), up.ravel()], axis=1)
    return decode(model, params, z).expected.reshape(len(values), len(values), *model.shape)


def most_used(divergences_BxL: jax.Array, count: int) -> Sequence[int]:
    """The latent variables that tell the most of x: those of the greatest mean divergence, the greatest first."""
    return jnp.argsort(-jnp.mean(divergences_BxL, axis=0))[:count].tolist()
