"""From noise to images: diffusion run backwards, step by step or in few strides, as one compiled program.

Everything here asks one thing of a network: how much of what it is shown is noise. What answers may be the closed form
of a known density as well.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mlr_jax.core.types import Key
from mlr_jax.generative.noise_schedule import NoiseSchedule

Predict = Callable[[jax.Array, jax.Array], jax.Array]
"""x_t [B, ...] and t [] int -> the noise eps to be expected in it, [B, ...].

It is the score in other words: grad log p(x_t) = - E[eps | x_t] / sigma_t.
"""


class Stride(NamedTuple):
    """From step t to another step s: alpha and sigma at both, [] each."""

    alpha_t: jax.Array
    sigma_t: jax.Array
    alpha_s: jax.Array
    sigma_s: jax.Array


def ddpm(
    predict: Predict, schedule: NoiseSchedule, key: Key, shape: Sequence[int], *, steps: int | None = None,
    clip: float | None = None,
) -> jax.Array:  # fmt: skip
    """Samples x_0 [B, ...] of `shape` by the reverse Markov chain (Ho et al., 2020, with the posterior variance).

    From x_T ~ N(0, I) down to t = 0, x_s ~ q(x_s | x_t, x_0 = the image that x_t is predicted to come from).

    steps: how many strides are made over the T steps, T where it is None. clip: predicted images are kept within
    [-clip, clip]. Row b depends on the key and on b, not on how many rows there are. Raises ValueError for steps
    outside 1 to T.
    """

    def take(x_t: jax.Array, x_0: jax.Array, eps: jax.Array, t: jax.Array, along: Stride) -> jax.Array:
        return posterior_step(x_t, x_0, noise_of_rows(jax.random.fold_in(key, t), shape), along)

    start = noise_of_rows(jax.random.fold_in(key, 0), shape)
    return _walk(predict, schedule, start, strided(schedule, steps)[::-1], take, clip=clip)[0]


def ddim(
    predict: Predict, schedule: NoiseSchedule, x_T: jax.Array, *, steps: int | None = None, clip: float | None = None
) -> jax.Array:
    """The image x_0 [B, ...] that the noise x_T [B, ...] becomes without any more noise (Song et al., 2021).

    Steps of the ordinary differential equation whose flow has the same marginals as diffusion. So few strides will do,
    near noise makes near images, and `ddim_inverse` goes back. steps, clip, errors: as `ddpm`.
    """
    return _walk(predict, schedule, x_T, strided(schedule, steps)[::-1], _flow, clip=clip)[0]


def ddim_path(
    predict: Predict, schedule: NoiseSchedule, x_T: jax.Array, *, steps: int | None = None, clip: float | None = None
) -> jax.Array:
    """What `ddim` makes of x_T as it becomes clearer: the image predicted at each stride, [steps, B, ...]."""
    return _walk(predict, schedule, x_T, strided(schedule, steps)[::-1], _flow, clip=clip, keep=True)[1]


def ddim_inverse(predict: Predict, schedule: NoiseSchedule, x_0: jax.Array, *, steps: int | None = None) -> jax.Array:
    """The noise x_T [B, ...] that `ddim` would make the images x_0 [B, ...] of, to the accuracy of its strides.

    The first stride starts at step 1 and not at the image, in which there is no noise to be told. Errors: as `ddpm`.
    """
    times = np.unique(np.maximum(strided(schedule, steps), 1))
    return _walk(predict, schedule, x_0, times, _flow)[0]


def strided(schedule: NoiseSchedule, steps: int | None) -> np.ndarray:
    """The steps, from 0 up to T, at which so many strides begin and end: [steps + 1] int.

    Raises ValueError for steps outside 1 to T.
    """
    steps = schedule.num_steps if steps is None else steps
    if not 1 <= steps <= schedule.num_steps:
        raise ValueError(f"steps: got {steps}, allowed are 1 to {schedule.num_steps}")
    return np.linspace(0, schedule.num_steps, steps + 1).round().astype(np.int32)


def noise_of_rows(key: Key, shape: Sequence[int]) -> jax.Array:
    """N(0, I) of `shape` [B, ...], in which row b depends on the key and on b, not on B."""
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(shape[0]))
    return jax.vmap(lambda key: jax.random.normal(key, tuple(shape[1:])))(keys)


def posterior_step(x_t: jax.Array, x_0: jax.Array, z: jax.Array, along: Stride) -> jax.Array:
    """x_s ~ q(x_s | x_t, x_0), s < t: a mean between x_0 and x_t, and noise z ~ N(0, I) of the posterior's variance.

    With r = alpha_t / alpha_s and the variance b = sigma_t^2 - r^2 sigma_s^2 that diffusion adds between s and t:
    mean = (alpha_s b x_0 + r sigma_s^2 x_t) / sigma_t^2, variance = b sigma_s^2 / sigma_t^2
    """
    r = along.alpha_t / along.alpha_s
    variance_t, variance_s = jnp.square(along.sigma_t), jnp.square(along.sigma_s)
    b = variance_t - jnp.square(r) * variance_s
    mean = (along.alpha_s * b * x_0 + r * variance_s * x_t) / variance_t
    return mean + jnp.sqrt(b / variance_t) * along.sigma_s * z


def flow_step(x_0: jax.Array, eps: jax.Array, along: Stride) -> jax.Array:
    """x_s = alpha_s x_0 + sigma_s eps: the same image under the same noise at step s, before or after t."""
    return along.alpha_s * x_0 + along.sigma_s * eps


def image_and_noise(
    x_t: jax.Array, eps: jax.Array, along: Stride, clip: float | None = None
) -> tuple[jax.Array, jax.Array]:
    """x_0 = (x_t - sigma_t eps) / alpha_t, within [-clip, clip] where there is one, and the noise that x_t then has."""
    x_0 = (x_t - along.sigma_t * eps) / along.alpha_t
    if clip is None:
        return x_0, eps
    x_0 = jnp.clip(x_0, -clip, clip)
    return x_0, (x_t - along.alpha_t * x_0) / along.sigma_t


def _flow(x_t: jax.Array, x_0: jax.Array, eps: jax.Array, t: jax.Array, along: Stride) -> jax.Array:
    return flow_step(x_0, eps, along)


def _walk(
    predict: Predict, schedule: NoiseSchedule, start: jax.Array, times: np.ndarray, take: Callable[..., jax.Array], *,
    clip: float | None = None, keep: bool = False,
) -> tuple[jax.Array, Any]:  # fmt: skip
    """From `start` at the first of the times to the last: where that ends, and the predicted images where kept."""
    alpha, sigma = schedule.alpha[times], schedule.sigma[times]
    strides = Stride(*map(jnp.asarray, (alpha[:-1], sigma[:-1], alpha[1:], sigma[1:])))

    def step(x_t: jax.Array, given: tuple[jax.Array, Stride]) -> tuple[jax.Array, Any]:
        t, along = given
        x_0, eps = image_and_noise(x_t, predict(x_t, t), along, clip)
        return take(x_t, x_0, eps, t, along), x_0 if keep else None

    return lax.scan(step, start, (jnp.asarray(times[:-1]), strides))
