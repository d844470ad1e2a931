"""The optimizer of policy gradients: Adam on the clipped gradient."""

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
