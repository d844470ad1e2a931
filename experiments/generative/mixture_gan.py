"""Adversarial networks on Gaussians in the plane: does the generator make all of them, and nothing between?

    python experiments/generative/mixture_gan.py
    python experiments/generative/mixture_gan.py --mixture grid
    python experiments/generative/mixture_gan.py --objective wasserstein --penalty unit_slope \\
        --penalty-weight 10 --critic-steps 5

A ring of 8 or a grid of 25 narrow Gaussians (Metz et al., 2017; Srivastava et al., 2017), eight seeds in one compiled
program. A sample is good within three standard deviations of a mode; a mode counts when a good sample lies in it.
Expected: every mode with every seed, and of all samples 98 % good on the ring after 10,000 steps, 94 % on the grid.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.on_device import OnDeviceState, on_device
from mlr_jax.core.schedules import linear_decay
from mlr_jax.core.types import Key, Resident, State
from mlr_jax.data.arrays import check_batch_size, evaluation_batches
from mlr_jax.data.mixtures import grid, ring
from mlr_jax.experiment.generator import Album
from mlr_jax.experiment.image_classifier import naming
from mlr_jax.experiment.main import main
from mlr_jax.experiment.run import Experiment
from mlr_jax.experiment.settings import Settings
from mlr_jax.generative.gan import Hypers, gan
from mlr_jax.generative.gan_losses import (
    flat,
    flat_at_real,
    hinge,
    non_saturating,
    relativistic,
    unit_slope,
    wasserstein,
)
from mlr_jax.generative.gan_networks import dense_networks, generate
from mlr_jax.generative.mode_coverage import WITHIN, mode_coverage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS, DRAWN, SHOWN = 100_000, 10_000, 2000
"""Points to train on, samples that are judged, and samples that are shown."""


@dataclass(frozen=True)
class Config(Settings):
    """GAN on a mixture of Gaussians."""

    mixture: Literal["ring", "grid"] = "ring"
    """8 Gaussians on a circle, or 25 on a square."""
    steps: int = 20_000
    chunk: int = 100
    eval_every: int = 4000
    checkpoint_every: int = 4000
    batch_size: int = 256
    """Rows in an update."""
    hidden: tuple[int, ...] = (128, 128, 128)
    """Widths of both networks."""
    latents: int = 2
    """Numbers from which the generator makes a point."""
    objective: Literal["non_saturating", "relativistic", "hinge", "wasserstein"] = "relativistic"
    """What critic and generator minimise."""
    penalty: Literal["none", "unit_slope", "flat_at_real", "flat"] = "flat"
    """What the critic pays for its slope: nothing, for not being 1, or for not being 0 at real points, or at all."""
    penalty_weight: float = 0.1
    """How much it pays."""
    spectral: bool = False
    """Spectral normalisation of the critic."""
    critic_steps: int = 1
    """Updates of the critic for each of the generator."""
    learning_rate: float = 1e-3
    """Of the generator at first; it falls to 0 in a straight line."""
    critic_rate: float = 1e-3
    """The same of the critic."""
    b1: float = 0.5
    """How much of Adam's mean gradient stays at a step."""
    b2: float = 0.9
    """How much of its mean squared gradient does."""
    averaging: float = 0.999
    """How much of the generator's moving average stays at a step; it is drawn from."""


TINY = {"steps": 20, "seeds": 2, "chunk": 10, "eval_every": 10, "batch_size": 32, "hidden": (16,)}

MIXTURES = {"ring": ring(), "grid": grid()}
OBJECTIVES = {
    "non_saturating": non_saturating, "relativistic": relativistic, "hinge": hinge, "wasserstein": wasserstein,
}  # fmt: skip
PENALTIES = {"none": None, "unit_slope": unit_slope, "flat_at_real": flat_at_real, "flat": flat}


def build(config: Config) -> Experiment:
    """The experiment."""
    mixture = MIXTURES[config.mixture]
    rows = config.batch_size * config.critic_steps
    naming("--batch-size", check_batch_size, rows, ROWS)
    networks = dense_networks((2,), hidden=config.hidden, latents=config.latents, spectral=config.spectral)
    learner = gan(
        networks, OBJECTIVES[config.objective], penalise=PENALTIES[config.penalty], critic_steps=config.critic_steps,
        schedule=linear_decay(config.steps),
    )  # fmt: skip
    test, means = mixture.draw(1000, seed=1), jnp.asarray(mixture.means)

    def draw(state: OnDeviceState, key: Key, count: int) -> jax.Array:
        return generate(networks, state.inner.average, key, jnp.zeros(count))

    @jax.jit
    def judged(state: State):
        return jax.vmap(lambda one: mode_coverage(draw(one, jax.random.key(0), DRAWN), means, mixture.std))(state)

    album = Album(jax.jit(jax.vmap(lambda one: draw(one, jax.random.key(1), SHOWN))))

    def scores(split: str, state: State) -> Mapping[str, np.ndarray]:
        album.add(int(state.inner.step[0]), state)
        return {name: np.asarray(values) for name, values in judged(state)._asdict().items()}

    def figures(state: State) -> dict[str, "Figure"]:
        from mlr_jax.report.generated import planar_samples

        radius = WITHIN * mixture.std
        growing = {f"step {step}": of_all[0] for step, of_all in album.pages.items()}
        members = {f"seed {config.seed + index}": of for index, of in enumerate(album.draw(state)[:16])}
        pictures = {"real": mixture.draw(SHOWN, seed=2)["x"]}
        return {
            "over_training": planar_samples({**pictures, **growing}, mixture.means, radius),
            "members": planar_samples(members, mixture.means, radius),
        }

    return Experiment(
        learner=on_device(learner, rows),
        source=Resident(jax.tree.map(jnp.asarray, mixture.draw(ROWS, seed=0))),
        hypers=Hypers(
            config.learning_rate,
            config.critic_rate,
            b1=config.b1,
            b2=config.b2,
            penalty=config.penalty_weight,
            averaging=config.averaging,
        ),
        evaluations={"test": lambda: evaluation_batches(test, len(test["x"]))},
        items_per_step=rows,
        unit="points",
        figures=figures,
        scores=scores,
    )


if __name__ == "__main__":
    main(Config, build, TINY)
