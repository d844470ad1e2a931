"""What a critic and a generator minimise, and penalties that keep the critic's slope in bounds.

Scores are logits of "real". A loss is a pair of functions of scores [B] with a value for each row, [B].
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Key


class Loss(NamedTuple):
    """Both take the scores of real rows and those of generated ones: what the critic minimises, and the generator."""

    critic: Callable[[jax.Array, jax.Array], jax.Array]
    generator: Callable[[jax.Array, jax.Array], jax.Array]


non_saturating = Loss(
    critic=lambda real, fake: jax.nn.softplus(-real) + jax.nn.softplus(fake),
    generator=lambda real, fake: jax.nn.softplus(-fake),
)
"""Cross-entropy; the generator minimises -log p(real), not log p(generated), of its rows (Goodfellow et al., 2014)."""

relativistic = Loss(
    critic=lambda real, fake: jax.nn.softplus(fake - real),
    generator=lambda real, fake: jax.nn.softplus(real - fake),
)
"""Cross-entropy of which row of a pair is the real one (Jolicoeur-Martineau, 2019).

It has no local minima at which the generator leaves out modes (Sun et al., 2020)."""

hinge = Loss(
    critic=lambda real, fake: jax.nn.relu(1.0 - real) + jax.nn.relu(1.0 + fake),
    generator=lambda real, fake: -fake,
)
"""Margins of one on both sides (Lim & Ye, 2017)."""

wasserstein = Loss(critic=lambda real, fake: fake - real, generator=lambda real, fake: -fake)
"""The critic's loss is minus the earth mover's distance, if its slope is at most one (Arjovsky et al., 2017)."""


Score = Callable[[jax.Array], jax.Array]
"""x [B, ...] -> [B], no row of which depends on another."""


class Penalty(NamedTuple):
    """What a critic pays for its slope, [B], and the slope that was looked at, [B]."""

    value: jax.Array
    slope: jax.Array


Penalise = Callable[[Score, jax.Array, jax.Array, Key], Penalty]
"""score, real rows x [B, ...], generated rows [B, ...], key -> the penalty."""


def unit_slope(score: Score, real: jax.Array, fake: jax.Array, key: Key) -> Penalty:
    """(|grad score| - 1)^2 at a random place between a real and a generated row (WGAN-GP: Gulrajani et al., 2017)."""
    part = jax.random.uniform(key, (real.shape[0], *(1 for _ in real.shape[1:])))
    slope = slopes(score, part * real + (1.0 - part) * fake)
    return Penalty(jnp.square(slope - 1.0), slope)


def flat_at_real(score: Score, real: jax.Array, fake: jax.Array, key: Key) -> Penalty:
    """|grad score|^2 / 2 at the real rows, where it is 0 in the end (R1: Mescheder et al., 2018)."""
    slope = slopes(score, real)
    return Penalty(0.5 * jnp.square(slope), slope)


def flat(score: Score, real: jax.Array, fake: jax.Array, key: Key) -> Penalty:
    """The same at real and at generated rows together; its slope is that at real rows (R1 + R2: Huang et al., 2024)."""
    at_real, at_fake = slopes(score, real), slopes(score, fake)
    return Penalty(0.5 * (jnp.square(at_real) + jnp.square(at_fake)), at_real)


def slopes(score: Score, x: jax.Array) -> jax.Array:
    """|grad score| at each row: x [B, ...] -> [B]. Where it is 0 its own gradient counts as 0."""
    gradients = jax.grad(lambda x: jnp.sum(score(x)))(x)
    squares = jnp.sum(jnp.square(gradients.reshape(x.shape[0], -1)), axis=1)
    return jnp.sqrt(squares + 1e-12)
