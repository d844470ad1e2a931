"""Small autoencoders for the laws."""

from learner_case import Case, Wrap, image_batch

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.types import Learner
from mlr_jax.generative import iwae, vae
from mlr_jax.generative.densities import gaussian

SHAPE = (8, 8, 1)
conditional = vae.vae(vae.dense_model(SHAPE, hidden=(8,), latents=2, likelihood=gaussian, classes=4))
weighted = iwae.iwae(vae.conv_model(SHAPE, widths=(4,), hidden=8, latents=2, likelihood=gaussian), samples=3)


def _vae(wrap: Wrap) -> Learner:
    return wrap(gradient_learner(conditional, adamw()))


def _iwae(wrap: Wrap) -> Learner:
    return wrap(gradient_learner(weighted, adamw()))


CASES: dict[str, Case] = {
    "vae": Case(
        _vae, image_batch, vae.Hypers(3e-3, warmup=3.0, free_bits=0.1), vae.Hypers(1e-3, 1e-2, 1.0, 4.0),
        row_keys=True, tolerance=1e-3,
    ),
    "iwae": Case(_iwae, image_batch, iwae.Hypers(3e-3), iwae.Hypers(1e-3, 1e-2, 1.0), row_keys=True, tolerance=1e-3),
}  # fmt: skip
"""Learners by name."""
