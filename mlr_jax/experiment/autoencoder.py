"""What every experiment with a variational autoencoder of images shares: its flags, its data, its likelihoods."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.on_device import on_device
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.schedules import one_cycle
from mlr_jax.core.types import Key, Learner, Resident, State, Task, TrainState
from mlr_jax.data.arrays import Arrays, Dataset, check_arrays, check_batch_size, evaluation_batches
from mlr_jax.data.augment import Transform, augment
from mlr_jax.data.augment.levels import binarise, dequantise, drawn_once
from mlr_jax.data.images import load_images
from mlr_jax.experiment.autoencoder_figures import autoencoder_figures
from mlr_jax.experiment.generator import generator_scores
from mlr_jax.experiment.image_classifier import naming
from mlr_jax.experiment.run import Experiment
from mlr_jax.experiment.settings import Settings
from mlr_jax.generative import iwae, vae
from mlr_jax.generative.annealing import annealed_log_weights
from mlr_jax.generative.densities import Likelihood, bernoulli, gaussian
from mlr_jax.generative.latent_model import LatentModel
from mlr_jax.generative.latent_space import generate
from mlr_jax.generative.likelihood import bits_per_dimension, estimate, log_weights
from mlr_jax.generative.snapshots import SnapshotState, snapshots

EVALUATION_ROWS = 500
SNAPSHOTS, SHOWN = 8, 10
"""How often in a run samples are kept, and how many."""


@dataclass(frozen=True)
class AutoencoderSettings(Settings):
    """Flags of a variational autoencoder that is trained with AdamW and a one-cycle schedule."""

    data: str = "mnist5k"
    """mnist5k, fashion_mnist, digits, tfds:NAME, or a path: an .npz file or a folder of images."""
    layout: Literal["vmap", "map"] = "map"
    batch_size: int = 128
    """Rows in a batch."""
    learning_rate: float = 2e-3
    """The greatest learning rate of the schedule."""
    weight_decay: float = 0.0
    """Decay of kernels, as a part of the learning rate."""
    clip_norm: float = math.inf
    """The greatest norm of a gradient."""
    likelihood: Literal["bernoulli", "gaussian"] = "bernoulli"
    """What a pixel is given z: one or zero, or a number around the mean with a learned deviation."""
    binarisation: Literal["random", "static", "none"] = "random"
    """Ones and zeros drawn from the grey levels anew at each step, or once; or none, as a Gaussian likelihood needs."""
    latents: int = 32
    """Latent variables."""
    conditional: bool = False
    """Tell both networks the class."""
    importance_samples: int = 1
    """Samples of the importance-weighted bound that is trained on; 1 is the ELBO."""
    beta: float = 1.0
    """The weight of the divergence from the prior (with one sample)."""
    beta_warmup: float = 0.0
    """Steps in which it rises from 0."""
    free_bits: float = 0.0
    """Of the divergence of each latent variable that cost nothing."""
    estimated: int = 100
    """Test rows whose likelihood is estimated at the end."""
    estimate_samples: int = 500
    """Samples of q for each of them."""
    chains: int = 0
    """Annealed chains for each of them; 0 leaves this estimate, which takes long, out."""
    temperatures: int = 200
    """Steps of a chain."""
    judged: int = 10_000
    """Real and new images at most whose features are compared at the end; 0 leaves this out."""
    judge_steps: int = 1000
    """Steps of the classifier whose features they are."""


class Pixels(NamedTuple):
    """The images of a run: to train on, to evaluate, what happens to the first at each step, grey levels of a pixel."""

    train: Arrays
    test: Arrays
    class_names: tuple[str, ...]
    transforms: tuple[Transform, ...]
    levels: int


def autoencoder(
    config: AutoencoderSettings, model_for: Callable[[tuple[int, ...], Likelihood, int], LatentModel]
) -> Experiment:
    """An experiment that trains `model_for(shape of an image, likelihood, number of classes or 0)`.

    Raises ValueError for data that is not there or not sound, and for settings that do not fit it.
    """
    _check(config)
    dataset = images_of(config)
    pixels = pixels_of(config, dataset)
    naming("--batch-size", check_batch_size, config.batch_size, len(pixels.train["x"]))
    devices = 1 if config.parallel == "members" else config.devices
    if config.batch_size % devices:
        raise ValueError(f"--batch-size: got {config.batch_size}, must be a multiple of the {devices} devices")
    rows = math.ceil(EVALUATION_ROWS / devices) * devices
    classes = len(pixels.class_names) if config.conditional else 0
    model = model_for(pixels.train["x"].shape[1:], _likelihood(config), classes)
    task, hypers = _task(config, model)
    task = augment(task, *pixels.transforms) if pixels.transforms else task
    learner = config.spread(gradient_learner(config.cast(task), adamw(one_cycle(config.steps))))
    return Experiment(
        learner=on_device(_with_snapshots(config, learner, model), config.batch_size),
        source=Resident(jax.tree.map(jnp.asarray, pixels.train)),
        hypers=hypers,
        evaluations={"test": lambda: evaluation_batches(pixels.test, rows)},
        items_per_step=config.batch_size,
        unit="images",
        figures=lambda state: autoencoder_figures(
            model, first_of(state.inner), pixels.test, pixels.class_names, snapshot_every(config)
        ),
        scores=_scores(config, model, pixels, dataset),
    )


def images_of(config: AutoencoderSettings) -> Dataset:
    """The images that --data names, in grey levels. Raises ValueError, naming the flag, where they are not sound."""
    dataset = naming("--data", load_images, config.data)
    for split, arrays in (("train", dataset.train), ("test", dataset.test)):
        naming("--data", check_arrays, arrays, name=f"{config.data} ({split})")
        low, high = float(arrays["x"].min()), float(arrays["x"].max())
        if low < 0.0 or high > 1.0:
            raise ValueError(f"--data: {config.data} ({split}) has pixels from {low:g} to {high:g}, allowed are 0 to 1")
    return dataset


def pixels_of(config: AutoencoderSettings, dataset: Dataset) -> Pixels:
    """The images as --likelihood and --binarisation ask for them; the test images are drawn once."""
    train, test, names = dict(dataset.train), dict(dataset.test), dataset.class_names
    if config.likelihood == "gaussian":
        test["x"] = drawn_once(dequantise, test["x"], 0)
        return Pixels(train, test, names, (dequantise,), 256)
    if config.binarisation == "none":
        return Pixels(train, test, names, (), 1)
    test["x"] = drawn_once(binarise, test["x"], 0)
    if config.binarisation == "random":
        return Pixels(train, test, names, (binarise,), 1)
    train["x"] = drawn_once(binarise, train["x"], 1)
    return Pixels(train, test, names, (), 1)


def _scores(
    config: AutoencoderSettings, model: LatentModel, pixels: Pixels, dataset: Dataset
) -> Callable[[str, State], Mapping[str, np.ndarray]]:
    """After the last step: likelihoods of test rows, and how near new images are to real ones, all members [M]."""

    def draw(state: State, key: Key, y: jax.Array) -> jax.Array:
        return generate(model, state.inner.inner.params, key, y if model.classes else y.shape[0])

    judged = generator_scores(dataset, draw, rows=config.judged, steps=config.judge_steps, seed=config.seed)

    def scores(split: str, state: State) -> dict[str, np.ndarray]:
        if split != "test" or int(np.max(state.inner.inner.step)) < config.steps:
            return {}
        found = likelihoods(config, model, pixels, state.inner.inner.params)
        return {**found, **(judged(split, state) if config.judged else {})}

    return scores


def likelihoods(config: AutoencoderSettings, model: LatentModel, pixels: Pixels, params: Any) -> dict[str, np.ndarray]:
    """log p(x) of some test rows by importance sampling and by annealed chains: parameters of all members -> [M].

    Rows are spread evenly over the test set, which may be ordered by class.
    """
    chosen = np.unique(np.linspace(0, len(pixels.test["x"]) - 1, config.estimated).round().astype(int))
    x, y = (jnp.asarray(pixels.test[name][chosen]) for name in ("x", "y"))
    keys = jax.random.split(jax.random.key(config.seed))

    def of_member(params: Any) -> dict[str, jax.Array]:
        weights = log_weights(model, params, x, y, keys[0], samples=config.estimate_samples, at_once=10)
        value = jnp.mean(estimate(weights).value)
        size = math.prod(model.shape)
        found = {"log_likelihood": value, "bits_per_dimension": bits_per_dimension(value, size, pixels.levels)}
        if config.chains:
            weights = annealed_log_weights(
                model, params, x, y, keys[1], chains=config.chains, steps=config.temperatures
            )
            annealed = estimate(weights)
            found["annealed_log_likelihood"] = jnp.mean(annealed.value)
            found["annealed_error"] = jnp.sqrt(jnp.sum(jnp.square(annealed.error))) / len(chosen)
        return found

    return jax.tree.map(np.asarray, jax.jit(lambda params: jax.lax.map(of_member, params))(params))


def first_of(state: SnapshotState) -> SnapshotState:
    """The first member of a sweep."""
    return jax.tree.map(lambda leaf: leaf[0], state)


def snapshot_every(config: AutoencoderSettings) -> int:
    """Steps between the pictures that are kept."""
    return max(config.steps // SNAPSHOTS, 1)


def _with_snapshots(config: AutoencoderSettings, learner: Learner, model: LatentModel) -> Learner:
    labels = jnp.arange(SHOWN) % model.classes if model.classes else SHOWN

    def draw(state: TrainState) -> jax.Array:
        return generate(model, state.params, jax.random.key(config.seed), labels)

    return snapshots(learner, draw, every=snapshot_every(config), count=SNAPSHOTS)


def _likelihood(config: AutoencoderSettings) -> Likelihood:
    return bernoulli if config.likelihood == "bernoulli" else gaussian


def _task(config: AutoencoderSettings, model: LatentModel) -> tuple[Task, vae.Hypers | iwae.Hypers]:
    shared = (config.learning_rate, config.weight_decay, config.clip_norm)
    if config.importance_samples > 1:
        return iwae.iwae(model, samples=config.importance_samples), iwae.Hypers(*shared)
    return vae.vae(model), vae.Hypers(*shared, config.beta, config.beta_warmup, config.free_bits)


def _check(config: AutoencoderSettings) -> None:
    for name, least in {"latents": 1, "importance_samples": 1, "estimated": 1, "estimate_samples": 2}.items():
        if getattr(config, name) < least:
            flag = name.replace("_", "-")
            raise ValueError(f"--{flag}: got {getattr(config, name)}, must be at least {least}")
    if config.chains and min(config.chains, config.temperatures) < 2:
        raise ValueError("--chains, --temperatures: at least 2 chains of 2 steps are needed (or no chains)")
    if config.likelihood == "gaussian" and config.binarisation != "none":
        raise ValueError("--binarisation: got ones and zeros for --likelihood gaussian, needed is none")
    changed = [name for name, usual in (("beta", 1), ("beta_warmup", 0), ("free_bits", 0))
               if getattr(config, name) != usual]  # fmt: skip
    if config.importance_samples > 1 and changed:
        flag = changed[0].replace("_", "-")
        raise ValueError(f"--{flag}: the importance-weighted bound has no divergence to weigh")
