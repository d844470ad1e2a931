import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from mlr_jax.generative.diffusion_bound import density, negative_bound, of_levels
from mlr_jax.generative.noise_schedule import cosine, linear

MEAN = np.array([0.5, -0.3], np.float32)
COVARIANCE = np.array([[1.0, 0.5], [0.5, 0.6]], np.float32)
X = np.random.default_rng(0).multivariate_normal(MEAN, COVARIANCE, 400).astype(np.float32)


def gaussian(schedule):
    """The noise to be expected in x_t, x_0 being Gaussian."""
    alpha, sigma = map(jnp.asarray, schedule)

    def predict(x, t):
        covariance = alpha[t] ** 2 * COVARIANCE + sigma[t] ** 2 * jnp.eye(2)
        return sigma[t] * jnp.linalg.solve(covariance, (x - alpha[t] * MEAN[None]).T).T

    return predict


@pytest.mark.parametrize("make", [linear, cosine])
def test_with_the_score_of_a_gaussian_the_bound_tends_to_its_log_density(make):
    exact = -stats.multivariate_normal.logpdf(X, MEAN, COVARIANCE).mean()

    def mean_bound(schedule, predict):
        options = {"samples": schedule.num_steps - 1, "decoder": density, "widening": 1.0}
        return float(jnp.mean(negative_bound(predict, schedule, X, jax.random.key(1), **options)))

    fine, coarse = make(1000), make(25)
    assert exact - 0.05 < mean_bound(fine, gaussian(fine)) < exact + 0.1
    assert mean_bound(coarse, gaussian(coarse)) > exact + 0.1
    right = gaussian(fine)
    assert mean_bound(fine, lambda x, t: right(x, t) + 0.1) > exact + 0.2


def test_probabilities_of_levels_sum_to_one_and_keep_their_digits_far_away():
    levels = np.linspace(-1, 1, 5, dtype=np.float32)
    for mean, std in ((0.1, 0.3), (-1.5, 0.2), (0.9, 0.01)):
        log_probs = of_levels(5)(levels, jnp.full(5, mean), jnp.float32(std))
        edges = np.concatenate([[-np.inf], (levels[1:] + levels[:-1]) / 2, [np.inf]])
        law = stats.norm(mean, std)
        parts = [law.sf(a) - law.sf(b) if a > mean else law.cdf(b) - law.cdf(a) for a, b in itertools.pairwise(edges)]
        seen = np.array(parts) > 0
        np.testing.assert_allclose(np.asarray(log_probs)[seen], np.log(np.array(parts)[seen]), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(np.exp(log_probs).sum(), 1.0, rtol=1e-5)


def test_too_few_samples_and_steps_are_refused():
    for samples, steps in ((0, 10), (5, 1)):
        with pytest.raises(ValueError, match=f"samples={samples} and {steps} steps"):
            negative_bound(gaussian(linear(10)), linear(steps), X, jax.random.key(0), samples=samples, decoder=density)
