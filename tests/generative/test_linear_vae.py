"""A linear autoencoder that is trained finds the likelihood of probabilistic principal component analysis."""

import jax
import jax.numpy as jnp
import numpy as np
from generative.exact_model import COVARIANCE, B, X, params_with
from scipy import stats
from sklearn.datasets import load_wine

from mlr_jax.classical import pca
from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.scan import repeat
from mlr_jax.core.schedules import one_cycle
from mlr_jax.generative.linear_vae import linear_model, log_marginal
from mlr_jax.generative.vae import Hypers, vae


def test_the_marginal_is_the_normal_distribution_of_the_closed_form():
    exact = stats.multivariate_normal(B, COVARIANCE).logpdf(X)
    np.testing.assert_allclose(log_marginal(params_with(), X), exact, rtol=1e-4)


def test_a_trained_linear_vae_reaches_the_likelihood_of_probabilistic_pca():
    x = load_wine().data
    x = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
    best = float(np.mean(pca.score_samples(pca.fit(pca.Hypers(), x, num_components=3), x)))
    task = vae(linear_model(x.shape[1], latents=3))
    learner, steps = gradient_learner(task, adamw(one_cycle(2000))), 2000
    state = jax.jit(learner.init)(jax.random.key(0), Hypers(2e-2))
    state, metrics = repeat(learner, steps)(state, {"x": jnp.asarray(x)})
    reached = float(np.mean(log_marginal(state.params, x)))
    bound = -float(np.mean(metrics["loss"][-200:]))
    assert abs(reached - best) < 0.005 * abs(best)
    assert abs(bound - best) < 0.005 * abs(best)
    assert bound < reached + 0.01
