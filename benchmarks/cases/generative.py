"""The generative cases: a step of training of ours and of the same networks in PyTorch, on the same made images."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.cases import generative_peers
from benchmarks.in_turn import Call, Case
from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.scan import scan
from mlr_jax.core.types import Hypers, Learner
from mlr_jax.generative.gan import Hypers as GanHypers
from mlr_jax.generative.gan import gan
from mlr_jax.generative.gan_networks import dcgan_networks
from mlr_jax.generative.vae import Hypers as VaeHypers
from mlr_jax.generative.vae import conv_model, vae

STEPS = 8


def conv_vae(with_peers: bool = True) -> Case:
    """A convolutional VAE, batches of 128 binary images of 28x28, a step of Adam on the ELBO."""
    model = conv_model(
        (28, 28, 1),
        widths=generative_peers.VAE_WIDTHS, hidden=generative_peers.VAE_HIDDEN, latents=generative_peers.LATENTS,
    )  # fmt: skip
    learner = gradient_learner(vae(model), lambda hypers: optax.adam(hypers.learning_rate))
    images = np.random.default_rng(0).integers(0, 2, (STEPS, 128, 28, 28, 1)).astype(np.float32)
    contestants = _ours(learner, VaeHypers(generative_peers.VAE_RATE), {"x": jnp.asarray(images)})
    if with_peers and find_spec("torch"):
        contestants["PyTorch"] = generative_peers.vae(images, compiled=False)
        contestants["PyTorch, compiled"] = generative_peers.vae(images, compiled=True)
    return Case(contestants, STEPS, images.shape[1])


def dcgan(with_peers: bool = True) -> Case:
    """A DCGAN with batch normalisation, batches of 64 images of 32x32, a step of critic and generator."""
    networks = dcgan_networks(
        (32, 32, 3), widths=generative_peers.GAN_WIDTHS, latents=generative_peers.GAN_LATENTS, spectral=False,
        batch_norm=True,
    )  # fmt: skip
    images = np.random.default_rng(0).uniform(size=(STEPS, 64, 32, 32, 3)).astype(np.float32)
    rate, b1, averaging = generative_peers.GAN_RATE, generative_peers.GAN_B1, generative_peers.GAN_AVERAGING
    contestants = _ours(gan(networks), GanHypers(rate, rate, b1, averaging=averaging), {"x": jnp.asarray(images)})
    if with_peers and find_spec("torch"):
        contestants["PyTorch"] = generative_peers.dcgan(images, compiled=False)
        contestants["PyTorch, compiled"] = generative_peers.dcgan(images, compiled=True)
    return Case(contestants, STEPS, images.shape[1])


CASES: dict[str, Callable[[bool], Case]] = {"conv_vae": conv_vae, "dcgan": dcgan}


def _ours(learner: Learner, hypers: Hypers, batches: dict[str, jax.Array]) -> dict[str, Call]:
    """One step a call, and all steps in one call."""
    init = jax.jit(learner.init)
    each = [jax.tree.map(lambda leaf, step=step: leaf[step], batches) for step in range(STEPS)]
    return {
        "ours, one step a call": _calls(jax.jit(learner.step, donate_argnums=0), init(jax.random.key(0), hypers), each),
        "ours, scanned": _calls(scan(learner, STEPS), init(jax.random.key(0), hypers), [batches]),
    }


def _calls(run: Any, state: Any, batches: list[Any]) -> Call:
    def call() -> float:
        nonlocal state
        for batch in batches:
            state, metrics = run(state, batch)
        return float(metrics["loss"].reshape(-1)[-1])

    return call
