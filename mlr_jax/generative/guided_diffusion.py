"""Images of a chosen class from a trained diffusion network, by classifier-free guidance (Ho & Salimans, 2022)."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.core.types import Key, Variables
from mlr_jax.generative.diffusion import as_pixels, noise_in
from mlr_jax.generative.diffusion_sampling import Predict, ddim, ddim_path, ddpm, noise_of_rows
from mlr_jax.generative.noise_schedule import NoiseSchedule

Method = Literal["ddim", "ddpm"]


class Sampler(NamedTuple):
    """What a trained network is drawn from with: three compiled programs.

    sample: variables, key, y [B] int, guidance [] or None -> images [B, H, W, C] in [0, 1] of the classes y
    decode: variables, x_T [B, H, W, C], y, guidance -> the images that noise becomes by `ddim`
    path:   the same -> [steps, B, H, W, C], how they become clear
    """

    sample: Callable[..., jax.Array]
    decode: Callable[..., jax.Array]
    path: Callable[..., jax.Array]


def image_sampler(
    model: nn.Module, schedule: NoiseSchedule, image_shape: Sequence[int], *, classes: int = 0,
    method: Method = "ddim", steps: int | None = 50,
) -> Sampler:  # fmt: skip
    """Draws images from a network that `generative/diffusion.py: diffusion` has trained with the same schedule.

    y is a class from 0 on, or `classes` for any; without classes only its length counts. Row b of what is drawn depends
    on the key and on b, not on B. Raises ValueError, when it is called, for steps outside 1 to T.
    """
    options: dict[str, Any] = {"steps": steps, "clip": 1.0}

    def predict_for(variables: Variables, y: jax.Array, guidance: jax.Array | None) -> Predict:
        return predictor(model, variables, schedule, y if classes else None, guidance, classes=classes)

    @jax.jit
    def decode(variables: Variables, x_T: jax.Array, y: jax.Array, guidance: jax.Array | None = None) -> jax.Array:
        return as_pixels(ddim(predict_for(variables, y, guidance), schedule, x_T, **options))

    @jax.jit
    def path(variables: Variables, x_T: jax.Array, y: jax.Array, guidance: jax.Array | None = None) -> jax.Array:
        return as_pixels(ddim_path(predict_for(variables, y, guidance), schedule, x_T, **options))

    @jax.jit
    def sample(variables: Variables, key: Key, y: jax.Array, guidance: jax.Array | None = None) -> jax.Array:
        shape = (y.shape[0], *image_shape)
        if method == "ddim":
            return decode(variables, noise_of_rows(key, shape), y, guidance)
        return as_pixels(ddpm(predict_for(variables, y, guidance), schedule, key, shape, **options))

    return Sampler(sample, decode, path)


def predictor(
    model: nn.Module, variables: Variables, schedule: NoiseSchedule, y: jax.Array | None = None,
    guidance: jax.Array | None = None, *, classes: int = 0,
) -> Predict:  # fmt: skip
    """What `model` says of the noise in images of the classes y [B], more decidedly with guidance w, [].

    eps = (1 + w) eps(x, y) - w eps(x, null): away from what any image looks like. The null class is `classes`. With w
    both are asked for in one batch; where it is None, or there is no class, the model is asked once.
    """

    def asked(x: jax.Array, t: jax.Array, y: jax.Array | None) -> jax.Array:
        return noise_in(model, variables, schedule, x, jnp.full(x.shape[0], t), y=y)

    def predict(x: jax.Array, t: jax.Array) -> jax.Array:
        if guidance is None or y is None:
            return asked(x, t, y)
        both = jnp.concatenate([y, jnp.full_like(y, classes)])
        told, untold = jnp.split(asked(jnp.concatenate([x, x]), t, both), 2)
        return told + guidance * (told - untold)

    return predict
