"""Distributions against SciPy, and against their own samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from mlr_jax.rl.distributions import Categorical, Normal, TanhNormal

KEYS = jax.random.split(jax.random.key(0), 20_000)
MEAN, LOG_STD = jnp.array([0.3, -1.0]), jnp.array([-0.5, 0.2])


def test_categorical():
    distribution = Categorical(jnp.array([[0.0, 1.0, -2.0], [50.0, 0.0, 0.0]]))
    p = np.exp(jax.nn.log_softmax(distribution.logits))
    np.testing.assert_allclose(distribution.entropy(), scipy.stats.entropy(p, axis=1), rtol=1e-5, atol=1e-6)
    actions = jnp.array([2, 0])
    np.testing.assert_allclose(jnp.exp(distribution.log_prob(actions)), [p[0, 2], p[1, 0]], rtol=1e-5)
    np.testing.assert_array_equal(distribution.mode(), [1, 0])
    drawn = jax.vmap(distribution.sample)(KEYS)
    np.testing.assert_allclose([np.mean(drawn[:, 0] == k) for k in range(3)], p[0], atol=0.01)


def test_normal():
    distribution, std = Normal(MEAN, LOG_STD), np.exp(LOG_STD)
    theirs = scipy.stats.multivariate_normal(np.asarray(MEAN), np.diag(std**2))
    action = jnp.array([0.1, 0.7])
    np.testing.assert_allclose(distribution.log_prob(action), theirs.logpdf(action), rtol=1e-5)
    np.testing.assert_allclose(distribution.entropy(), theirs.entropy(), rtol=1e-5)
    np.testing.assert_array_equal(distribution.mode(), MEAN)
    drawn = jax.vmap(distribution.sample)(KEYS)
    np.testing.assert_allclose(drawn.mean(0), MEAN, atol=0.04)
    np.testing.assert_allclose(drawn.std(0), std, atol=0.04)


def test_tanh_normal_has_the_density_of_its_samples():
    distribution = TanhNormal(MEAN[:1], LOG_STD[:1])
    grid = jnp.linspace(-0.9999, 0.9999, 4001)[:, None]
    density = np.exp(jax.vmap(distribution.log_prob)(grid))
    np.testing.assert_allclose(np.trapezoid(density, grid[:, 0]), 1.0, atol=1e-3)
    drawn, log_prob = jax.vmap(distribution.sample_and_log_prob)(KEYS[:1000])
    np.testing.assert_allclose(log_prob, jax.vmap(distribution.log_prob)(drawn), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(np.mean(drawn < 0.5), np.trapezoid(density * (grid[:, 0] < 0.5), grid[:, 0]), atol=0.03)
    np.testing.assert_allclose(distribution.mode(), np.tanh(MEAN[:1]), rtol=1e-6)


@pytest.mark.parametrize("end", [-1.0, 1.0])
def test_tanh_normal_is_finite_at_its_ends(end):
    distribution = TanhNormal(MEAN, LOG_STD)
    assert np.isfinite(distribution.log_prob(jnp.full(2, end)))
    _, log_prob = TanhNormal(MEAN + end * 50, LOG_STD).sample_and_log_prob(KEYS[0])
    assert np.isfinite(log_prob)
