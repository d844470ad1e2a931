"""Small adversarial networks for the laws."""

from learner_case import Case, Wrap, image_batch

from mlr_jax.core.types import Learner
from mlr_jax.generative.gan import Hypers, gan
from mlr_jax.generative.gan_losses import hinge, unit_slope, wasserstein
from mlr_jax.generative.gan_networks import dcgan_networks, dense_networks

SHAPE = (8, 8, 1)


def _wasserstein(wrap: Wrap) -> Learner:
    networks = dense_networks(SHAPE, hidden=(8,), latents=2)
    return wrap(gan(networks, wasserstein, penalise=unit_slope, critic_steps=2))


def _conditional(wrap: Wrap) -> Learner:
    return wrap(gan(dcgan_networks(SHAPE, widths=(4,), latents=2, classes=4, spectral=True), hinge))


HYPERS = {"hypers": Hypers(1e-3, 2e-3), "other_hypers": Hypers(3e-4, 1e-3, 0.0, 0.9, 1.0, 0.5)}

CASES: dict[str, Case] = {
    "gan wasserstein": Case(_wasserstein, image_batch, **HYPERS, row_keys=True, any_rows=False, tolerance=1e-3),
    "gan conditional": Case(_conditional, image_batch, **HYPERS, row_keys=True, tolerance=1e-3),
}
"""Learners by name."""
