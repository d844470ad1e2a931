"""The two networks of an adversarial pair, and what the generator makes of latent numbers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.core.types import Key, Variables
from mlr_jax.generative.interpolation import spherical
from mlr_jax.nn.dcgan import DCGANCritic, DCGANGenerator, DenseCritic, DenseGenerator


class Networks(NamedTuple):
    """An adversarial pair, for examples of `shape` from `latents` numbers, with classes or none (0).

    generator: called as `generator(z [B, L], y [B] | None, train=, mask=)` -> x [B, *shape]
    critic:    called as `critic(x [B, *shape], y [B] | None, train=, mask=)` -> scores [B]
    """

    generator: nn.Module
    critic: nn.Module
    shape: tuple[int, ...]
    latents: int
    classes: int = 0


def dense_networks(
    shape: Sequence[int], *, hidden: Sequence[int] = (128, 128), latents: int = 16, classes: int = 0,
    spectral: bool = False,
) -> Networks:  # fmt: skip
    """Two perceptrons with these widths."""
    generator = DenseGenerator(tuple(hidden), tuple(shape), classes)
    return Networks(generator, DenseCritic(tuple(hidden), classes, spectral), tuple(shape), latents, classes)


def dcgan_networks(
    shape: Sequence[int], *, widths: Sequence[int] = (64, 128), latents: int = 64, classes: int = 0,
    spectral: bool = False, batch_norm: bool = False,
) -> Networks:  # fmt: skip
    """Convolutions of stride 2 with these widths in the critic, transposed ones in reverse in the generator.

    The generator has batch normalisation; the critic has it, or spectral normalisation, where asked.
    """
    generator = DCGANGenerator(tuple(widths)[::-1], tuple(shape), classes)
    critic = DCGANCritic(tuple(widths), classes, spectral, batch_norm)
    return Networks(generator, critic, tuple(shape), latents, classes)


def decode(networks: Networks, generator: Variables, z: jax.Array, y: jax.Array | None = None) -> jax.Array:
    """What the generator makes of z [B, L], of the classes y [B] where it has any: [B, *shape]."""
    made: Any = networks.generator.apply(generator, z, y if networks.classes else None)
    return made


def generate(networks: Networks, generator: Variables, key: Key, y: jax.Array) -> jax.Array:
    """New examples [B, *shape] of the classes y [B]; without classes only its length counts.

    Row b depends on the key and on b, not on B. Give it `State.average`, or `State.variables.generator`.
    """
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(y.shape[0]))
    z = jax.vmap(lambda key: jax.random.normal(key, (networks.latents,)))(keys)
    return decode(networks, generator, z, y)


def walk(
    networks: Networks, generator: Variables, z_0: jax.Array, z_1: jax.Array, t: jax.Array, *,
    y: jax.Array | None = None,
) -> jax.Array:  # fmt: skip
    """What is made on the way from z_0 to z_1, [B, L] each, at places t [T] in [0, 1]: [T, B, *shape]."""
    z = spherical(z_0, z_1, t)
    return jax.vmap(lambda z: decode(networks, generator, z, y))(z)
