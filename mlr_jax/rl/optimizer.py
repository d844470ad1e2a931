"""The optimizer of policy gradients: Adam on the clipped gradient."""

import jax.numpy as jnp
import optax

from mlr_jax.core.gradient import Optimizer
from mlr_jax.core.schedules import Schedule, constant
from mlr_jax.core.types import Hypers


def clipped_adam(schedule: Schedule | None = None) -> Optimizer:
    """Adam (Kingma & Ba, 2015) on the gradient, scaled down where its norm is above hypers.clip_norm.

    Reads hypers.learning_rate, the peak of the schedule, which counts updates of the optimizer.
    """
    shape = schedule or constant()

    def optimizer(hypers: Hypers) -> optax.GradientTransformation:
        return optax.chain(
            optax.clip_by_global_norm(hypers.clip_norm),
            optax.adam(lambda count: hypers.learning_rate * shape(count), eps=1e-5),
        )

    return optimizer


def linear(num_updates: int) -> Schedule:
    """From 1 at the first update down to 0 after the last, in a straight line."""
    if num_updates < 1:
        raise ValueError(f"num_updates: got {num_updates}, must be at least 1")
    return lambda step: jnp.clip(1.0 - jnp.asarray(step, jnp.float32) / num_updates, 0.0, 1.0)
