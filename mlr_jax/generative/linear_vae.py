"""The linear VAE is probabilistic principal component analysis (Tipping & Bishop, 1999; Lucas et al., 2019).

With x = W z + b + sigma noise everything is known: x ~ Normal(b, W W' + sigma² I), so bounds and estimates of log p(x)
can be held against the truth, and the greatest likelihood is that of `classical/pca.py: score_samples`. The posterior
is normal too, with a mean that is affine in x and one covariance for all x; the ELBO of an encoder of that form reaches
the greatest likelihood, where the axes of z are turned so that the covariance is diagonal.
"""

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Variables
from mlr_jax.foundations.distributions import Distribution, multivariate_normal
from mlr_jax.generative.densities import gaussian
from mlr_jax.generative.latent_model import LatentModel
from mlr_jax.nn.vae import AffineEncoder, DenseDecoder


def linear_model(features: int, *, latents: int) -> LatentModel:
    """Affine maps between x [B, features] and z [B, latents], learned deviations of q and of x."""
    return LatentModel(AffineEncoder(2 * latents), DenseDecoder((), (features,)), gaussian, (features,), latents)


def marginal(params: Variables) -> Distribution:
    """The exact p(x) of a linear model: a normal distribution whose `log_prob` takes one x [D]."""
    weights, bias = _decoder(params)
    variance = jnp.exp(2.0 * params["likelihood"]["log_std"])
    return multivariate_normal(bias, weights.T @ weights + variance * jnp.eye(bias.shape[0]))


def log_marginal(params: Variables, x: jax.Array) -> jax.Array:
    """log p(x) of rows [B, D] -> [B]."""
    return jax.vmap(marginal(params).log_prob)(x)


def _decoder(params: Variables) -> tuple[jax.Array, jax.Array]:
    """W' [L, D] and b [D]."""
    (layer,) = params["decoder"]["MLP_0"].values()
    return layer["kernel"], layer["bias"]
