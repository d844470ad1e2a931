"""How good a diffusion model of images is, once it has been trained: what it draws, and how many bits images take."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mlr_jax.core.types import Key, State, Variables
from mlr_jax.data.arrays import Dataset
from mlr_jax.experiment.generator import generator_scores
from mlr_jax.generative.diffusion import as_signal
from mlr_jax.generative.diffusion_bound import negative_bound, of_levels
from mlr_jax.generative.diffusion_sampling import Predict
from mlr_jax.generative.likelihood import bits_per_dimension
from mlr_jax.generative.noise_schedule import NoiseSchedule

BOUNDED, BOUND_SAMPLES = 500, 40
"""Test images whose bits are counted, and steps of diffusion at which that is done."""


def diffusion_scores(
    dataset: Dataset, schedule: NoiseSchedule, variables_of: Callable[[State], Variables], *,
    predict_for: Callable[[Variables, jax.Array], Predict], sample: Callable[[Variables, Key, jax.Array], jax.Array],
    rows: int, judge_steps: int, seed: int,
) -> Callable[[str, State], Mapping[str, np.ndarray]]:  # fmt: skip
    """The `scores` of an experiment, [M] each: those of `generator_scores`, and bits_per_dimension of test images.

    The bits are a bound on what it takes to store each number of an image of bytes whose class is known.

    variables_of: state, of one member or of all -> variables. predict_for: variables, classes y [B] -> what tells the
    noise. sample: variables, key, y -> images. rows, judge_steps: as `generator_scores`.
    """
    judged = generator_scores(
        dataset, lambda state, key, y: sample(variables_of(state), key, y), rows=rows, steps=judge_steps, seed=seed
    )
    chosen = np.unique(np.linspace(0, len(dataset.test["y"]) - 1, min(BOUNDED, rows)).round().astype(int))
    x, y = (jnp.asarray(dataset.test[name][chosen]) for name in ("x", "y"))

    @jax.jit
    def bits(variables: Variables) -> jax.Array:
        nats = negative_bound(
            predict_for(variables, y), schedule, as_signal(x), jax.random.key(seed), samples=BOUND_SAMPLES,
            decoder=of_levels(),
        )  # fmt: skip
        return bits_per_dimension(-jnp.mean(nats), x[0].size)

    def scores(split: str, state: State) -> Mapping[str, np.ndarray]:
        of_all = np.asarray(jax.jit(lambda variables: lax.map(bits, variables))(variables_of(state)))
        return {**judged(split, state), "bits_per_dimension": of_all}

    return scores
