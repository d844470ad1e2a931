import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st

from mlr_jax.foundations import distributions
from mlr_jax.foundations.bayes import beta_binomial
from mlr_jax.foundations.mcmc import hmc, leapfrog, metropolis, run_chain, scale_reduction

LOC, COVARIANCE = np.array([1.0, -1.0]), np.array([[1.0, 0.6], [0.6, 0.5]])
CHAINS, LENGTH = 16, 1200


def correlated(x):
    gap = x - jnp.asarray(LOC, x.dtype)
    return -0.5 * gap @ jnp.asarray(np.linalg.inv(COVARIANCE), x.dtype) @ gap


def standard(x):
    return -0.5 * jnp.sum(x**2)


def chains(kernel, starts, length=LENGTH):
    """Many chains, without the first fifth."""
    keys = jax.random.split(jax.random.key(0), len(starts))
    run = jax.jit(jax.vmap(lambda key, start: run_chain(kernel, key, start, length)))
    chain = run(keys, starts)
    return np.asarray(chain.positions)[:, length // 5 :], float(chain.accepted.mean())


def assert_within_errors(estimates, expected, limit=4.0):
    """Estimates of independent chains agree with the truth within `limit` standard errors of their mean."""
    errors = estimates.std(axis=0, ddof=1) / np.sqrt(len(estimates))
    assert (np.abs(estimates.mean(axis=0) - expected) < limit * errors).all()
    assert (errors < 0.1).all()


@pytest.mark.parametrize(
    "kernel", [metropolis(correlated, 1.0), hmc(correlated, 0.4, num_steps=6)], ids=["walk", "hmc"]
)
def test_moments_of_a_correlated_normal(kernel):
    starts = 3.0 * jax.random.normal(jax.random.key(1), (CHAINS, 2))
    positions, rate = chains(kernel, starts)
    assert 0.2 < rate < 0.99
    assert_within_errors(positions.mean(axis=1), LOC)
    gaps = positions - LOC
    assert_within_errors(np.einsum("cti,ctj->cij", gaps, gaps) / gaps.shape[1], COVARIANCE)
    assert (scale_reduction(positions) < 1.05).all()


def test_the_acceptance_rate_of_a_random_walk_is_known():
    scales, keys = jnp.repeat(jnp.array([0.5, 2.4]), CHAINS), jax.random.split(jax.random.key(2), 2 * CHAINS)

    def accepted(scale, key):
        return run_chain(metropolis(standard, scale), key, jax.random.normal(key), LENGTH).accepted.mean()

    rates = np.asarray(jax.jit(jax.vmap(accepted))(scales, keys)).reshape(2, CHAINS).mean(axis=1)
    np.testing.assert_allclose(rates, 2 / np.pi * np.arctan(2 / np.array([0.5, 2.4])), atol=0.015)


def test_a_posterior_on_an_interval_equals_its_conjugate_form():
    def log_posterior(p):
        return distributions.beta(2.0, 2.0).log_prob(p) + distributions.binomial(10.0, p).log_prob(7.0)

    exact = st.beta(*beta_binomial(2.0, 2.0, 7, 3))
    positions, _ = chains(hmc(log_posterior, 0.1, num_steps=5), jnp.full(CHAINS, 0.5))
    assert ((positions > 0) & (positions < 1)).all()  # it never leaves, though it proposes to
    assert_within_errors(positions.mean(axis=1), exact.mean())
    assert_within_errors(positions.var(axis=1), exact.var())
    assert_within_errors((positions < 0.5).mean(axis=1), exact.cdf(0.5))


def test_nan_and_minus_infinity_are_never_moved_to():
    def trap(x):
        return jnp.where(x > 0.5, jnp.nan, jnp.where(x < -0.5, -jnp.inf, 0.0))

    chain = jax.jit(lambda key: run_chain(metropolis(trap, 1.0), key, 0.0, 300))(jax.random.key(0))
    assert (np.abs(chain.positions) <= 0.5).all()
    assert 0.1 < chain.accepted.mean() < 0.9
    stays = np.diff(np.asarray(chain.positions)) == 0
    np.testing.assert_array_equal(stays, ~np.asarray(chain.accepted)[1:])


def test_leapfrog_is_reversible_preserves_volume_and_has_an_error_of_second_order(x64):
    x, m = jnp.array([0.3, -0.2]), jnp.array([1.0, 0.5])
    move = jax.jit(lambda x, m, size, num_steps=8: leapfrog(correlated, x, m, size, num_steps=num_steps))
    there, momentum = move(x, m, 0.2, 8)
    back, momentum_back = move(there, -momentum, 0.2, 8)
    np.testing.assert_allclose(back, x, atol=1e-12)
    np.testing.assert_allclose(momentum_back, -m, atol=1e-12)
    both = jax.jit(jax.jacfwd(lambda both: jnp.concatenate(move(both[:2], both[2:], 0.2))))(jnp.concatenate([x, m]))
    np.testing.assert_allclose(np.linalg.det(both), 1.0, rtol=1e-12)

    def energy(x, m):
        return -correlated(x) + 0.5 * m @ m

    errors = [abs(energy(*move(x, m, 1.6 / n, n)) - energy(x, m)) for n in (64, 128)]
    np.testing.assert_allclose(errors[0] / errors[1], 4.0, rtol=0.01)


def test_a_trajectory_of_the_harmonic_oscillator_is_a_circle(x64):
    move = jax.jit(lambda x, m: leapfrog(standard, x, m, 2 * np.pi / 4000, num_steps=1000))
    x, m = move(jnp.array([1.0]), jnp.array([0.0]))
    np.testing.assert_allclose([x[0], m[0]], [0.0, -1.0], atol=1e-6)


def test_a_longer_chain_begins_with_the_shorter_and_another_key_gives_another():
    kernel = metropolis(standard, 1.0)
    run = jax.jit(lambda key, n: run_chain(kernel, key, jnp.zeros(2), n), static_argnums=1)
    short, long, other = (run(jax.random.key(seed), n) for seed, n in [(0, 5), (0, 9), (1, 9)])
    np.testing.assert_array_equal(short.positions, long.positions[:5])
    assert not np.array_equal(other.positions, long.positions)


def test_scale_reduction_sees_chains_that_have_not_met():
    rng = np.random.default_rng(0)
    together = rng.normal(size=(4, 500, 2)).astype(np.float32)
    apart = together + np.arange(4, dtype=np.float32)[:, None, None] * np.array([1.0, 0.0], np.float32)[None, None]
    found = scale_reduction(apart)
    assert found[0] > 1.5
    assert abs(found[1] - 1) < 0.01
    between, within = apart.mean(axis=1).var(axis=0, ddof=1), apart.var(axis=1, ddof=1).mean(axis=0)
    np.testing.assert_allclose(found, np.sqrt(499 / 500 + between / within), rtol=1e-5)
