"""How likely images are to a diffusion model: the bound that it shares with other models of latent variables.

    -log p(x_0) <= KL(q(x_T | x_0) || N(0, I)) + sum_{t=2..T} E KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t))
                   - E log p(x_0 | x_1)

All of these but the last are divergences of Gaussians (Sohl-Dickstein et al., 2015; Ho et al., 2020). Where p has k
times the variance of q, a step from t to s = t - 1 costs, with SNR = alpha^2 / sigma^2 (after Kingma et al., 2021),

    (SNR_s / SNR_t - 1) |eps - eps_hat|^2 / 2 k + D (log k + 1 / k - 1) / 2
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.core.types import Key
from mlr_jax.generative.diffusion_sampling import Predict
from mlr_jax.generative.noise_schedule import NoiseSchedule

Decoder = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
"""x_0 [B, ...], the image that x_1 is predicted to come from, the deviation [] around it -> log p of each number."""


def negative_bound(
    predict: Predict, schedule: NoiseSchedule, x_0: jax.Array, key: Key, *, samples: int, decoder: Decoder,
    widening: jax.Array | float = 0.0,
) -> jax.Array:  # fmt: skip
    """The right side of the inequality above for each of x_0 [B, ...], in nats, [B].

    Its sum over T - 1 steps is estimated from `samples` of them, spread evenly and moved by one random number, each
    with noise of its own, and so without bias. widening: k = (sigma_t / sigma_s)^(2 widening). With 0, p has the
    variance of q, as in `ddpm`, which is right where x_0 is all but known; with 1 it has that of the noise that
    diffusion adds, right where numbers near x_0 are as likely. Raises ValueError for less than one sample, and for
    schedules of less than two steps.
    """
    if samples < 1 or schedule.num_steps < 2:
        raise ValueError(f"negative_bound: got samples={samples} and {schedule.num_steps} steps, needed are 1 and 2")
    (alpha, sigma), size = map(jnp.asarray, schedule), x_0[0].size
    first_key, place_key, noise_key = jax.random.split(key, 3)

    def cost_of_step(index: jax.Array) -> jax.Array:
        place = (jax.random.uniform(place_key) + index) / samples
        t = jnp.minimum(2 + (place * (schedule.num_steps - 1)).astype(jnp.int32), schedule.num_steps)
        eps = jax.random.normal(jax.random.fold_in(noise_key, index), x_0.shape)
        error = _per_row(jnp.square(eps - predict(alpha[t] * x_0 + sigma[t] * eps, t)))
        ratio = jnp.square(alpha[t - 1] * sigma[t] / (sigma[t - 1] * alpha[t]))
        log_k = 2.0 * widening * jnp.log(sigma[t] / sigma[t - 1])
        return 0.5 * ((ratio - 1.0) * error * jnp.exp(-log_k) + size * (log_k + jnp.expm1(-log_k)))

    steps = (schedule.num_steps - 1) * jnp.mean(lax.map(cost_of_step, jnp.arange(samples)), axis=0)
    eps = jax.random.normal(first_key, x_0.shape)
    x_1 = alpha[1] * x_0 + sigma[1] * eps
    mean = (x_1 - sigma[1] * predict(x_1, jnp.int32(1))) / alpha[1]
    last = jnp.square(alpha[-1] * x_0) + jnp.square(sigma[-1]) - 1.0 - 2.0 * jnp.log(sigma[-1])
    return 0.5 * _per_row(last) + steps - _per_row(decoder(x_0, mean, sigma[1] / alpha[1]))


def density(x_0: jax.Array, mean: jax.Array, std: jax.Array) -> jax.Array:
    """log N(x_0; mean, std^2) of numbers without gaps."""
    return jax.scipy.stats.norm.logpdf(x_0, mean, std)


def of_levels(levels: int = 256) -> Decoder:
    """The probability of whole pixels, `levels` from -1 to 1: that a Gaussian lands nearer to theirs than to another.

    The darkest takes all that is darker still, the brightest all that is brighter (Ho et al., 2020, section 3.3).
    """
    half = 1.0 / (levels - 1)

    def log_prob(x_0: jax.Array, mean: jax.Array, std: jax.Array) -> jax.Array:
        above = jnp.where(x_0 > 1.0 - half, jnp.inf, (x_0 + half - mean) / std)
        below = jnp.where(x_0 < half - 1.0, -jnp.inf, (x_0 - half - mean) / std)
        flip = jnp.sign(x_0 - mean)  # a difference of two tails that are near 0 keeps its digits
        low, high = jnp.where(flip > 0, -above, below), jnp.where(flip > 0, -below, above)
        cdf_low, cdf_high = (jax.scipy.stats.norm.logcdf(bound) for bound in (low, high))
        return cdf_high + jnp.log1p(-jnp.exp(jnp.minimum(cdf_low - cdf_high, -1e-6)))

    return log_prob


def _per_row(x: jax.Array) -> jax.Array:
    return jnp.sum(x, axis=tuple(range(1, x.ndim)))
