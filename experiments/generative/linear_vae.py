"""A linear VAE beside probabilistic PCA: every bound and estimate of log p(x) held against the truth.

    python experiments/generative/linear_vae.py
    python experiments/generative/linear_vae.py --data mnist5k --latents 20

With affine maps and Gaussian noise log p(x) is known, and its greatest value is that of probabilistic PCA (Tipping &
Bishop, 1999; Lucas et al., 2019). Shown for 1,797 digits of 64 pixels, in units of their deviation: how near a linear
VAE comes that is trained by its ELBO; how the bound of k importance-weighted samples rises with k where q is too wide;
and what annealed importance sampling, which does without q, says of the same rows.

Expected: a mean log p(x) of -48.39 nats and an ELBO of -48.40, where the greatest possible is -48.38; 1000 samples make
up for a q that is 1.5 times too wide and costs 1.76 nats; annealed estimates within their intervals of 0.04 nats.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.classical import pca
from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.hypers import members
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.scan import repeat
from mlr_jax.core.schedules import one_cycle
from mlr_jax.core.sweep import sweep
from mlr_jax.core.types import Variables
from mlr_jax.experiment.folded import image_rows
from mlr_jax.experiment.stopwatch import Stopwatch
from mlr_jax.experiment.study import Findings, Picture, Study, StudySettings, Table, check_least, main
from mlr_jax.generative.annealing import annealed_log_weights
from mlr_jax.generative.latent_model import LatentModel
from mlr_jax.generative.likelihood import estimate, iwae_bound, log_weights
from mlr_jax.generative.linear_vae import linear_model, log_marginal
from mlr_jax.generative.vae import Hypers, vae
from mlr_jax.report import figures
from mlr_jax.report.statistics import interval

Z_95 = 1.96


@dataclass(frozen=True)
class Config(StudySettings):
    """Linear VAE."""

    data: str = "digits"
    """Images: digits, mnist5k, fashion_mnist, tfds:NAME, or a path."""
    rows: int = 2000
    """The most rows of it to use."""
    latents: int = 8
    """Latent variables, and principal components."""
    steps: int = 3000
    """Steps of Adam on all rows."""
    learning_rate: float = 2e-2
    """The greatest learning rate of a cycle."""
    estimated: int = 50
    """Rows whose likelihood is estimated."""
    samples: int = 1000
    """The most samples for each row, and the greatest k."""
    too_wide: float = 1.5
    """How many times wider than trained q is made, to have something to gain from samples."""
    chains: int = 64
    """Annealed chains for each row."""
    temperatures: int = 500
    """Steps of a chain."""


TINY = {"seeds": 2, "rows": 100, "latents": 2, "steps": 200, "estimated": 10, "samples": 20, "chains": 4,
        "temperatures": 20}  # fmt: skip


def build(config: Config) -> Study:
    """The study."""
    check_least(config, latents=1, steps=10, samples=2, chains=2, temperatures=2, too_wide=1)
    images = image_rows(config.data, config.rows)
    most = min(images.x.shape) - 1
    for name, limit in (("latents", most), ("estimated", len(images.x))):
        if not 1 <= getattr(config, name) <= limit:
            raise ValueError(f"--{name}: got {getattr(config, name)}, allowed are 1 to {limit}")
    x = (images.x - images.x.mean(0)) / images.x.std()
    seeds = range(config.seed, config.seed + config.seeds)
    return Study([{"seed": seed} for seed in seeds], lambda watch: measure(config, jnp.asarray(x, jnp.float32), watch))


def measure(config: Config, x: jax.Array, watch: Stopwatch) -> Findings:
    """Likelihoods of all rows after training, and of some of them by every estimate."""
    model = linear_model(x.shape[1], latents=config.latents)
    params, elbo = watch.compiled("training, all seeds", partial(trained, config, model), x, repeats=0)
    bound = np.asarray(elbo)
    best = float(np.mean(pca.score_samples(pca.fit(pca.Hypers(), x, num_components=config.latents), x)))
    reached = np.asarray(jnp.mean(jax.vmap(log_marginal, in_axes=(0, None))(params, x), axis=1))
    some = x[: config.estimated]
    exact = np.asarray(jnp.mean(jax.vmap(log_marginal, in_axes=(0, None))(params, some), axis=1))
    counts = [k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if config.samples % k == 0]
    of_members = jax.jit(lambda params, x: jax.lax.map(partial(estimates, config, model, x, counts), params))
    found = watch.compiled("bounds and annealed chains, all seeds", of_members, params, some, repeats=0)
    bounds, (value, error) = jax.tree.map(np.asarray, found)
    metrics = {
        "log_likelihood": reached,
        "elbo": bound,
        "gap_percent": 100 * np.abs(reached - best) / abs(best),
        "elbo_gap_percent": 100 * np.abs(bound - best) / abs(best),
        "annealed_minus_exact": value - exact,
        "annealed_half_interval": Z_95 * error,
    }
    tables = [
        Table("Mean log p(x) of all rows, in nats", ("", "nats"), [
            ("probabilistic PCA, closed form", best), ("linear VAE, exact", interval(reached)),
            ("linear VAE, its ELBO", interval(bound)),
        ]),
        Table(f"Mean log p(x) of {len(some)} rows: seed by seed", ("seed", "exact", "annealed", "+-", "inside"), [
            (config.seed + m, exact[m], value[m], Z_95 * error[m], "yes" if abs(value[m] - exact[m]) < Z_95 * error[m]
             else "no") for m in range(config.seeds)
        ]),
        Table(f"Bound of k samples less the exact value, q {config.too_wide:g} times too wide", ("k", "nats"), [
            (k, interval(bounds[:, place] - exact)) for place, k in enumerate(counts)
        ]),
    ]  # fmt: skip
    panel: Any = {f"q {config.too_wide:g} times too wide": (counts, {"bound - exact": bounds.T - exact[None]})}
    curve = figures.score_curves(panel, "samples k", "nats")
    return Findings(metrics, tables, {"bounds": Picture(curve, "More samples, less is lost: L_k tends to log p(x).")})


def trained(config: Config, model: LatentModel, x: jax.Array) -> tuple[Variables, jax.Array]:
    """Parameters of all seeds after training, and the mean of each one's ELBO over the last steps, [S]."""
    learner = sweep(gradient_learner(vae(model), adamw(one_cycle(config.steps))))
    seeds = jnp.arange(config.seed, config.seed + config.seeds)
    keys, hypers, _ = members(jax.vmap(jax.random.key)(seeds), Hypers(config.learning_rate))
    state, metrics = repeat(learner, config.steps)(jax.jit(learner.init)(keys, hypers), {"x": x})
    return state.params, -jnp.mean(metrics["loss"][-config.steps // 10 :], axis=0)


def estimates(
    config: Config, model: LatentModel, x: jax.Array, counts: list[int], params: Variables
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Of one member, means over the rows x: the bounds of k samples [K], and the annealed estimate with its error."""
    sample_key, chain_key = jax.random.split(jax.random.key(config.seed))
    weights = log_weights(model, widened(params, config.too_wide), x, None, sample_key, samples=config.samples)
    bounds = jnp.stack([jnp.mean(iwae_bound(weights, k)) for k in counts])
    found = estimate(annealed_log_weights(
        model, params, x, None, chain_key, chains=config.chains, steps=config.temperatures
    ))  # fmt: skip
    return bounds, (jnp.mean(found.value), jnp.sqrt(jnp.sum(jnp.square(found.error))) / x.shape[0])


def widened(params: Variables, factor: float) -> Variables:
    """The same model with deviations of q that are so many times greater."""
    encoder = params["encoder"]
    return {**params, "encoder": {**encoder, "log_std": encoder["log_std"] + jnp.log(factor)}}


if __name__ == "__main__":
    main(Config, build, TINY)
