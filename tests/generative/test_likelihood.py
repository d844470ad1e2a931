"""Bounds and estimates of log p(x) beside the closed form of a linear model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from generative.exact_model import COVARIANCE, POSTERIOR_VARIANCE, B, X, model, params_with
from scipy import stats

from mlr_jax.generative.annealing import annealed_log_weights, temperatures
from mlr_jax.generative.likelihood import bits_per_dimension, elbo, estimate, iwae_bound, log_weights

KEY = jax.random.key(0)
EXACT = stats.multivariate_normal(B, COVARIANCE).logpdf(X)


def test_with_the_posterior_as_q_every_weight_is_the_likelihood():
    weights = log_weights(model, params_with(), X, None, KEY, samples=3)
    np.testing.assert_allclose(weights, np.tile(EXACT, (3, 1)), rtol=1e-4)


def test_the_elbo_of_another_q_is_below_by_their_divergence():
    shift, extra = 0.3, 0.2
    weights = log_weights(model, params_with(shift, extra), X, None, KEY, samples=20_000, at_once=1000)
    divergence = 0.5 * np.sum(np.exp(2 * extra) - 1 - 2 * extra + shift**2 / POSTERIOR_VARIANCE)
    np.testing.assert_allclose(elbo(weights), EXACT - divergence, atol=0.05)


def test_the_importance_weighted_bound_rises_with_k_and_tends_to_the_likelihood():
    weights = log_weights(model, params_with(0.3, 0.2), X, None, KEY, samples=20_000, at_once=1000)
    bounds = np.stack([iwae_bound(weights, k) for k in (1, 5, 50, 5000)])
    assert (np.diff(bounds, axis=0) > 0).all()
    np.testing.assert_allclose(bounds[0], elbo(weights), rtol=1e-4)
    np.testing.assert_allclose(bounds[-1], EXACT, atol=0.02)
    with pytest.raises(ValueError, match="k: got 3, must divide the 20000 samples"):
        iwae_bound(weights, 3)


def test_annealed_chains_agree_with_the_likelihood_within_their_own_interval():
    def of(key):
        weights = annealed_log_weights(model, params_with(), X, None, key, chains=32, steps=60, leapfrogs=5)
        return estimate(weights)

    found = jax.jit(of)(KEY)
    far = np.abs(found.value - EXACT) / found.error
    assert far.max() < 3.5
    assert found.error.max() < 0.25
    mean_error = np.sqrt(np.mean(found.error**2) / len(X))
    assert abs(np.mean(found.value - EXACT)) < 2.5 * mean_error


def test_temperatures_go_from_the_prior_to_the_posterior():
    plan = np.asarray(temperatures(50))
    assert plan.shape == (51,)
    assert plan[0] == 0
    assert plan[-1] == 1
    steps = np.diff(plan)
    assert (steps > 0).all()
    np.testing.assert_allclose(steps, steps[::-1], rtol=1e-3)
    assert steps[0] < 0.2 * steps[25]


def test_the_error_of_an_estimate_is_what_repeating_it_shows():
    log_w = 0.5 * np.random.default_rng(0).normal(size=(400, 500))
    found = estimate(jnp.asarray(log_w))
    np.testing.assert_allclose(np.std(found.value), np.mean(found.error), rtol=0.1)
    np.testing.assert_allclose(np.mean(found.value), 0.125, atol=0.01)


def test_bits_per_dimension():
    np.testing.assert_allclose(bits_per_dimension(np.log(0.5) * 10, 10), 1.0)
    np.testing.assert_allclose(bits_per_dimension(0.0, 10, levels=256), 8.0)  # a uniform density knows nothing
