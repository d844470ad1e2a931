"""Generative models: steps of training, a VAE and a GAN beside the same in PyTorch (channels last)."""

from collections.abc import Callable, Mapping

import numpy as np
import optax

from benchmarks.case import Asked, Case, Make, Work
from benchmarks.cases.images import CLASSES, images, numpy_of
from benchmarks.peers import torch_generative
from benchmarks.peers.torch_generative import GAN_LATENTS, GAN_RATE, GAN_WIDTHS, LATENTS, VAE_HIDDEN, VAE_WIDTHS
from benchmarks.training import both_ways
from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.types import Hypers, Learner
from mlr_jax.generative import diffusion as denoising
from mlr_jax.generative import gan as adversarial
from mlr_jax.generative import noise_schedule
from mlr_jax.generative import vae as variational
from mlr_jax.generative.gan_networks import dcgan_networks
from mlr_jax.nn.unet import UNet

STEPS = 8


def conv_vae(asked: Asked) -> Case:
    """A convolutional VAE, batches of 128 images of 28x28, Adam on the ELBO."""
    widths, hidden = asked.of(VAE_WIDTHS, (4, 8)), asked.of(VAE_HIDDEN, 16)
    model = variational.conv_model((28, 28, 1), widths=widths, hidden=hidden, latents=LATENTS)
    learner = gradient_learner(variational.vae(model), lambda hypers: optax.adam(hypers.learning_rate))
    hypers = variational.Hypers(torch_generative.VAE_RATE)
    return _case(asked, learner, hypers, (128, 28, 28, 1), torch_generative.vae)


def dcgan(asked: Asked) -> Case:
    """A DCGAN with batch normalisation, batches of 64 images of 32x32, a step of critic and generator."""
    widths = asked.of(GAN_WIDTHS, (4, 8, 8))
    networks = dcgan_networks((32, 32, 3), widths=widths, latents=GAN_LATENTS, spectral=False, batch_norm=True)
    hypers = adversarial.Hypers(
        GAN_RATE, GAN_RATE, torch_generative.GAN_B1, averaging=torch_generative.GAN_AVERAGING
    )  # fmt: skip
    return _case(asked, adversarial.gan(networks), hypers, (64, 32, 32, 3), torch_generative.dcgan)


def diffusion(asked: Asked) -> Case:
    """A U-Net of 32 and 64 channels on patches of 2x2, batches of 64 images of 28x28 with their classes, AdamW."""
    model = UNet(asked.of((32, 64), (8, 8)), patch=2, classes=CLASSES)
    task = denoising.diffusion(model, noise_schedule.cosine(1000), (28, 28, 1), classes=CLASSES)
    return _case(asked, gradient_learner(task, adamw()), denoising.Hypers(), (64, 28, 28, 1), None)


def _case(
    asked: Asked,
    learner: Learner,
    hypers: Hypers,
    shape: tuple[int, ...],
    peer: Callable[[np.ndarray, bool], Callable[[], float]] | None,
) -> Case:
    rows, steps = asked.of(shape[0], 2 * asked.devices), asked.of(STEPS, 2)
    batches = images(steps, rows, shape[1:])
    peers: Mapping[str, Work] = {}
    if peer is not None and asked.beside("torch"):
        ways = {"PyTorch": False} if asked.short else {"PyTorch": False, "PyTorch, compiled": True}
        peers = {name: Work(peer(numpy_of(batches)["x"], compiled)) for name, compiled in ways.items()}
    return Case(both_ways(asked.spread(learner), hypers, batches), peers, steps * rows, "images", steps)


CASES: dict[str, Make] = {"conv_vae": conv_vae, "dcgan": dcgan, "diffusion": diffusion}
