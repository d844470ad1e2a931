"""Running moments of what an agent sees and earns, as part of its state."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

CLIP = 10.0
"""Normalised observations are kept within this many standard deviations."""


class Moments(NamedTuple):
    """Of `weight` values seen so far, mean and variance of each coordinate, [...]."""

    weight: jax.Array
    mean: jax.Array
    variance: jax.Array


def no_moments(shape: tuple[int, ...] = ()) -> Moments:
    """Before anything was seen: they leave values as they are."""
    return Moments(jnp.float32(0.0), jnp.zeros(shape), jnp.ones(shape))


def update(moments: Moments, values: jax.Array) -> Moments:
    """With values [B, ...] taken in (Chan, Golub & LeVeque, 1983): exactly the moments of all values together."""
    values = values.astype(jnp.float32)
    count = values.shape[0]
    mean, variance = jnp.mean(values, axis=0), jnp.var(values, axis=0)
    total = moments.weight + count
    apart = mean - moments.mean
    squares = moments.variance * moments.weight + variance * count + jnp.square(apart) * moments.weight * count / total
    return Moments(total, moments.mean + apart * count / total, squares / total)


def normalise(moments: Moments, values: jax.Array) -> jax.Array:
    """(x - mean) / standard deviation, within +-10: x [..., *shape] -> the same, float32."""
    axes = tuple(range(values.ndim - moments.mean.ndim))
    mean, variance = (jnp.expand_dims(moment, axes) for moment in (moments.mean, moments.variance))
    return jnp.clip((values - mean) * lax.rsqrt(variance + 1e-8), -CLIP, CLIP)


class RewardScale(NamedTuple):
    """The moments of discounted returns to date, G_t = r_t + gamma G_{t-1}, and those of each environment, [N]."""

    moments: Moments
    to_date: jax.Array


def no_scale(num_envs: int) -> RewardScale:
    """Before anything was earned."""
    return RewardScale(no_moments(), jnp.zeros(num_envs))


def scale_rewards(
    scale: RewardScale, reward: jax.Array, ended: jax.Array, discount: jax.Array
) -> tuple[RewardScale, jax.Array]:
    """Rewards [T, N] in units of the standard deviation of the discounted return, these rewards taken in.

    They are not centred: that would change which policy is best. (Engstrom et al., 2020.)
    """

    def step(to_date: jax.Array, now: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        reward, ended = now
        to_date = reward + discount * to_date
        return jnp.where(ended, 0.0, to_date), to_date

    last, to_date = lax.scan(step, scale.to_date, (reward, ended))
    moments = update(scale.moments, to_date.reshape(-1))
    return RewardScale(moments, last), reward * lax.rsqrt(moments.variance + 1e-8)
