"""Learning-rate schedules of unit shape: step -> a factor between 0 and 1, to be multiplied by a traced peak rate."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

Schedule = Callable[[jax.Array], jax.Array]
"""step, [] int -> factor in [0, 1], [] float32."""


def constant() -> Schedule:
    """1 at every step."""
    return lambda step: jnp.ones_like(step, jnp.float32)


def linear_decay(num_steps: int, end: float = 0.0) -> Schedule:
    """From 1 at the first step down to `end` at step `num_steps`, in a straight line."""
    _check(num_steps=num_steps, end=end)
    return lambda step: 1.0 - (1.0 - end) * jnp.clip(jnp.asarray(step, jnp.float32) / num_steps, 0.0, 1.0)


def warmup_cosine(num_steps: int, warmup: int = 0, end: float = 0.0) -> Schedule:
    """Linear from 0 to 1 over `warmup` steps, then half a cosine down to `end` (Loshchilov & Hutter, 2017).

    s(t) = t / warmup,  then  end + (1 - end) (1 + cos(pi (t - warmup) / (num_steps - warmup))) / 2
    """
    _check(num_steps=num_steps, warmup=warmup, end=end)

    def schedule(step: jax.Array) -> jax.Array:
        t = jnp.asarray(step, jnp.float32)
        progress = jnp.clip((t - warmup) / max(num_steps - warmup, 1), 0.0, 1.0)
        decayed = end + (1.0 - end) * 0.5 * (1.0 + jnp.cos(jnp.pi * progress))
        return jnp.where(t < warmup, t / max(warmup, 1), decayed)

    return schedule


def one_cycle(num_steps: int, rise: float = 0.3, start: float = 0.04, end: float = 0.0) -> Schedule:
    """From `start` up to 1 over the first `rise` part of the steps, then down to `end`, both by half a cosine.

    (Smith & Topin, 2018.)
    """
    _check(num_steps=num_steps, end=end)
    if not (0.0 < rise < 1.0 and 0.0 <= start <= 1.0):
        raise ValueError(f"one_cycle: got rise={rise}, start={start}; rise must be in (0, 1) and start in [0, 1]")

    def schedule(step: jax.Array) -> jax.Array:
        progress = jnp.clip(jnp.asarray(step, jnp.float32) / num_steps, 0.0, 1.0)

        def blend(first: float, last: float, part: jax.Array) -> jax.Array:
            return last + (first - last) * 0.5 * (1.0 + jnp.cos(jnp.pi * part))

        going_up = blend(start, 1.0, progress / rise)
        going_down = blend(1.0, end, (progress - rise) / (1.0 - rise))
        return jnp.where(progress < rise, going_up, going_down)

    return schedule


def step_decay(boundaries: Sequence[int], factor: float = 0.1) -> Schedule:
    """factor ** (number of boundaries passed): the staircase of the ResNet paper (He et al., 2015)."""
    if list(boundaries) != sorted(boundaries) or not 0.0 < factor <= 1.0:
        raise ValueError(f"step_decay: got boundaries={boundaries}, factor={factor}; must be rising, and in (0, 1]")
    edges = jnp.asarray(boundaries, jnp.int32)
    return lambda step: jnp.float32(factor) ** jnp.sum(step >= edges)


def inverse_sqrt(warmup: int) -> Schedule:
    """Linear from 0 to 1 over `warmup` steps, then sqrt(warmup / t) (Vaswani et al., 2017)."""
    if warmup < 1:
        raise ValueError(f"inverse_sqrt warmup: got {warmup}, must be at least 1")

    def schedule(step: jax.Array) -> jax.Array:
        t = jnp.asarray(step, jnp.float32)
        return jnp.minimum(t / warmup, jnp.sqrt(warmup / jnp.maximum(t, 1.0)))

    return schedule


def _check(num_steps: int, warmup: int = 0, end: float = 0.0) -> None:
    if num_steps < 1 or not 0 <= warmup <= num_steps or not 0.0 <= end <= 1.0:
        raise ValueError(
            f"schedule: got num_steps={num_steps}, warmup={warmup}, end={end}; "
            "num_steps must be positive, warmup in [0, num_steps], end in [0, 1]"
        )
