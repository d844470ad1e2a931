"""Diffusion for the laws."""

import numpy as np
from learner_case import Case, image_batch

from mlr_jax.core.ema import ema
from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.generative.diffusion import Hypers, diffusion
from mlr_jax.generative.noise_schedule import cosine
from mlr_jax.nn.unet import UNet

task = diffusion(UNet((4,), heads=2, patch=2, classes=4), cosine(50), (8, 8, 1), classes=4)


def batch(step: int) -> dict[str, np.ndarray]:
    """Images in [0, 1]."""
    images = image_batch(step)
    return {**images, "x": 1 / (1 + np.exp(-images["x"]))}


CASES: dict[str, Case] = {
    "diffusion": Case(
        lambda wrap: ema(wrap(gradient_learner(task, adamw())), 0.9), batch, Hypers(3e-3), Hypers(1e-3, 1e-2, 0.1, 0.5),
        row_keys=True, tolerance=1e-3,
    )
}  # fmt: skip
