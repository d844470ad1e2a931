"""Denoising diffusion: a network learns to tell the noise in an image, at every strength of the noise."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.core.types import Batch, Key, Metrics, Task, Variables
from mlr_jax.generative.noise_schedule import NoiseSchedule
from mlr_jax.ops.masked import blank_padding, masked_mean

EVALUATED_TIMES = 8
"""Steps, evenly spaced, at which a row is evaluated."""


class Hypers(NamedTuple):
    """What a sweep can vary: the first three are read by the optimizer (`core/optimizers.py: adamw`)."""

    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    drop_class: float = 0.1


def diffusion(model: nn.Module, schedule: NoiseSchedule, image_shape: Sequence[int], *, classes: int = 0) -> Task:
    """The task of telling the noise eps in x_t = alpha_t x_0 + sigma_t eps from x_t, t and the class (Ho et al., 2020).

    L = E |eps - eps_theta(x_t, t, y)|^2 / D, over images x_0, steps t uniform in 1 to T and eps ~ N(0, I_D)

    model: called as `model(x, time, y, train=...)` with x_t [B, *image_shape], time = t / T [B] and y [B] int, or None
    where there are no classes; returns the velocity, [B, *image_shape] (see `noise_in`). hypers.drop_class is how often
    the model is told the null class, `classes`, so that it learns to do without too (Ho & Salimans, 2022).

    Batches hold x [B, *image_shape] in [0, 1], with classes y [B] int, and may hold mask [B]. The steps of a batch are
    spread evenly over 1 to T, moved by one random number: the loss varies less (Kingma et al., 2021). Evaluation: the
    loss of each row at a few fixed steps with fixed noise, [B]. Raises ValueError for images of another shape.
    """
    shape, num_steps = tuple(image_shape), schedule.num_steps

    def init(key: Key) -> Variables:
        y = jnp.zeros(1, jnp.int32) if classes else None
        return model.init(key, jnp.zeros((1, *shape)), jnp.zeros(1), y)

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        x_0, y, mask = _unpack(batch, shape, classes)
        step_key, noise_key, class_key, dropout_key = jax.random.split(key, 4)
        rows = x_0.shape[0]
        t = 1 + _spread(jax.random.uniform(step_key), rows, num_steps)
        eps = jax.random.normal(noise_key, x_0.shape)
        if y is not None:
            y = jnp.where(jax.random.bernoulli(class_key, hypers.drop_class, (rows,)), classes, y)
        x_t, rngs = noised(schedule, x_0, t, eps), {"dropout": dropout_key}
        told = noise_in(model, variables, schedule, x_t, t, y=y, train=True, rngs=rngs)
        return masked_mean(_squared(eps - told), mask), (variables, {})

    def evaluate(variables: Variables, batch: Batch) -> Metrics:
        x_0, y, _ = _unpack(batch, shape, classes)

        def at_step(index: jax.Array) -> jax.Array:
            eps = jax.random.normal(jax.random.fold_in(jax.random.key(0), index), (1, *shape))
            eps = jnp.broadcast_to(eps, x_0.shape)
            t = jnp.broadcast_to(1 + _spread((index + 0.5) / EVALUATED_TIMES, 1, num_steps), x_0.shape[:1])
            return _squared(eps - noise_in(model, variables, schedule, noised(schedule, x_0, t, eps), t, y=y))

        return {"loss": jnp.mean(jax.lax.map(at_step, jnp.arange(EVALUATED_TIMES)), axis=0)}

    return Task(init, loss, evaluate)


def noised(schedule: NoiseSchedule, x_0: jax.Array, t: jax.Array, eps: jax.Array) -> jax.Array:
    """x_t = alpha_t x_0 + sigma_t eps: x_0 and eps [B, ...], t [B] int from 0 to T; returns [B, ...]."""
    alpha, sigma = (_column(jnp.asarray(part)[t], x_0) for part in schedule)
    return alpha * x_0 + sigma * eps


def noise_in(
    model: nn.Module, variables: Variables, schedule: NoiseSchedule, x_t: jax.Array, t: jax.Array,
    *, y: jax.Array | None = None, **options: Any,
) -> jax.Array:  # fmt: skip
    """eps_theta = sigma_t x_t + alpha_t v_theta(x_t, t / T, y): x_t [B, ...], t and y [B] int -> [B, ...].

    v = alpha_t eps - sigma_t x_0 is how fast x_t turns from image to noise (Salimans & Ho, 2022). A network that says
    it need not hand x_t through, which is nearly all of eps where there is much noise, and the image that follows,
    x_0 = alpha_t x_t - sigma_t v, is as exact there as anywhere.
    """
    alpha, sigma = (_column(jnp.asarray(part)[t], x_t) for part in schedule)
    v: Any = model.apply(variables, x_t, t / schedule.num_steps, y, **options)
    return sigma * x_t + alpha * v


def as_signal(x: jax.Array) -> jax.Array:
    """Pixels in [0, 1] as numbers in [-1, 1], float32."""
    return 2.0 * x.astype(jnp.float32) - 1.0


def as_pixels(x: jax.Array) -> jax.Array:
    """The inverse, cut to [0, 1]."""
    return jnp.clip(0.5 * (x + 1.0), 0.0, 1.0)


def _squared(errors: jax.Array) -> jax.Array:
    """The mean square of each row, [B] float32."""
    return jnp.mean(jnp.square(errors.astype(jnp.float32)), axis=tuple(range(1, errors.ndim)))


def _spread(start: jax.Array, count: int, num_steps: int) -> jax.Array:
    """`count` numbers from 0 to T - 1, evenly spaced round the circle from the part `start` of it on: [count] int."""
    places = (start + jnp.arange(count) / count) % 1.0
    return jnp.minimum((places * num_steps).astype(jnp.int32), num_steps - 1)


def _column(values: jax.Array, x: jax.Array) -> jax.Array:
    return values.reshape(-1, *(1 for _ in x.shape[1:]))


def _unpack(batch: Batch, shape: tuple[int, ...], classes: int) -> tuple[jax.Array, jax.Array | None, jax.Array]:
    x, mask = batch["x"], batch.get("mask")
    if x.shape[1:] != shape:
        raise ValueError(f"x: got images of shape {x.shape[1:]}, wanted {shape}")
    mask = jnp.ones(x.shape[0]) if mask is None else mask
    x, y = blank_padding((x, batch["y"] if classes else None), mask)
    return as_signal(x), y, mask
