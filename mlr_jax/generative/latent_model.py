"""Models with latent variables: z ~ Normal(0, I), x ~ p(x | z), and q(z | x), a guess of the z that x came from."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.core.types import Batch, Key, Variables
from mlr_jax.generative.densities import Bernoulli, Likelihood, Normal
from mlr_jax.ops.masked import blank_padding


class LatentModel(NamedTuple):
    """The two networks and what surrounds them.

    encoder:  x [B, *shape], c [B, classes] -> mean and log deviation of q(z | x), [B, 2 latents]
    decoder:  z [B, latents], c [B, classes] -> what p(x | z) is made of by `likelihood`, [B, *shape]
    classes:  where it is not 0, both networks are told the class y of x as a one-hot vector c
    """

    encoder: nn.Module
    decoder: nn.Module
    likelihood: Likelihood
    shape: tuple[int, ...]
    latents: int
    classes: int = 0


def init(model: LatentModel, key: Key) -> Variables:
    """Parameters, {"encoder": ..., "decoder": ..., "likelihood": ...}."""
    encoder_key, decoder_key = jax.random.split(key)
    c = jnp.zeros((1, model.classes))
    return {
        "encoder": model.encoder.init(encoder_key, jnp.zeros((1, *model.shape)), c)["params"],
        "decoder": model.decoder.init(decoder_key, jnp.zeros((1, model.latents)), c)["params"],
        "likelihood": model.likelihood.init(),
    }


def posterior(model: LatentModel, params: Variables, x: jax.Array, y: jax.Array | None = None) -> Normal:
    """q(z | x) of images [B, *shape] and classes [B]: Normal of [B, latents], in float32."""
    outputs: Any = model.encoder.apply({"params": params["encoder"]}, x, _condition(model, y, x))
    mean, log_std = jnp.split(outputs.astype(jnp.float32), 2, axis=-1)
    return Normal(mean, log_std)


def decode(model: LatentModel, params: Variables, z: jax.Array, y: jax.Array | None = None) -> Normal | Bernoulli:
    """p(x | z) of z [B, latents] and classes [B]: a distribution of [B, *shape], in float32."""
    z = z.astype(jnp.result_type(*jax.tree.leaves(params["decoder"])))  # with 16-bit parameters, computed in 16 bits
    outputs: Any = model.decoder.apply({"params": params["decoder"]}, z, _condition(model, y, z))
    return model.likelihood.of(outputs.astype(jnp.float32), params["likelihood"])


def unpack(model: LatentModel, batch: Batch) -> tuple[jax.Array, jax.Array | None, jax.Array]:
    """x [B, *shape], y [B] or None, mask [B] of a batch, padding blanked.

    Raises ValueError for images of another shape, and where a class is needed and not there.
    """
    x, y = batch["x"], batch.get("y") if model.classes else None
    if x.shape[1:] != tuple(model.shape):
        raise ValueError(f"x: got rows of shape {x.shape[1:]}, this model is of {tuple(model.shape)}")
    mask = batch.get("mask")
    mask = jnp.ones(x.shape[0]) if mask is None else mask
    x, y = blank_padding((x, y), mask)
    return x, y, mask


def _condition(model: LatentModel, y: jax.Array | None, like: jax.Array) -> jax.Array:
    if model.classes == 0:
        return jnp.zeros((like.shape[0], 0), like.dtype)
    if y is None:
        raise ValueError(f"y: got None, this model needs the class, 0 to {model.classes - 1}, of every row")
    return jax.nn.one_hot(y, model.classes, dtype=like.dtype)
