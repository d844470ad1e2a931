from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st

from mlr_jax.foundations import distributions as d

PROBABILITIES = np.array([0.2, 0.5, 0.3])
COVARIANCE = np.array([[2.0, 0.6], [0.6, 0.5]])
COUNTS = np.arange(-2.0, 8.0)
EDGES = np.array([-3.0, -0.5, 0.0, 1e-6, 0.3, 0.5, 0.9999, 1.0, 1.5, 7.0, 60.0])


def categorical(shift):
    return d.categorical(shift + jnp.asarray(np.log(PROBABILITIES), jnp.result_type(float)))


# ours, its parameters, scipy's, points
CASES = {
    "bernoulli": (d.bernoulli, (0.3,), st.bernoulli(0.3), COUNTS),
    "binomial": (d.binomial, (5.0, 0.3), st.binom(5, 0.3), COUNTS),
    "categorical": (categorical, (0.7,), st.rv_discrete(values=(range(3), PROBABILITIES)), COUNTS),
    "poisson": (d.poisson, (2.5,), st.poisson(2.5), COUNTS),
    "uniform": (d.uniform, (-0.5, 1.5), st.uniform(-0.5, 2.0), EDGES),
    "normal": (d.normal, (0.3, 2.0), st.norm(0.3, 2.0), EDGES),
    "exponential": (d.exponential, (1.7,), st.expon(scale=1 / 1.7), EDGES),
    "gamma": (d.gamma, (2.5, 3.0), st.gamma(2.5, scale=1 / 3.0), EDGES),
    "gamma below one": (d.gamma, (0.4, 3.0), st.gamma(0.4, scale=1 / 3.0), EDGES),
    "gamma of one": (d.gamma, (1.0, 3.0), st.gamma(1.0, scale=1 / 3.0), EDGES),
    "beta": (d.beta, (2.5, 3.0), st.beta(2.5, 3.0), EDGES),
    "beta below one": (d.beta, (0.4, 0.6), st.beta(0.4, 0.6), EDGES),
    "beta of one": (d.beta, (1.0, 1.0), st.beta(1.0, 1.0), EDGES),
    "student t": (d.student_t, (5.0, 0.3, 2.0), st.t(5.0, 0.3, 2.0), EDGES),
}
DISCRETE = ("bernoulli", "binomial", "categorical", "poisson")
every = pytest.mark.parametrize("name", CASES)


@cache
def compiled(make):
    """Of one family: parameters, x [N] -> log p(x) [N], its gradients in both, and the moments."""

    def log_prob(parameters, x):
        return make(*parameters).log_prob(x)

    slopes = jax.vmap(jax.value_and_grad(log_prob, (0, 1)), (None, 0))
    return jax.jit(lambda parameters, x: (*slopes(parameters, x), make(*parameters)[2:]))


@cache
def sampler(make, *shape):
    return jax.jit(lambda parameters, key: make(*parameters).sample(key, shape))


@every
def test_log_prob_and_moments_equal_scipy(name, x64):
    make, parameters, theirs, x = CASES[name]
    with np.errstate(divide="ignore"):
        expected = np.log(theirs.pmf(x)) if name in DISCRETE else theirs.logpdf(x)
    values, _, moments = compiled(make)(parameters, x)
    np.testing.assert_allclose(values, expected, rtol=1e-10, atol=1e-10)
    assert np.isneginf(values).any() == (name not in ("normal", "student t"))
    np.testing.assert_allclose(moments, (theirs.mean(), theirs.var()), rtol=1e-12)


@every
def test_its_gradient_in_the_parameters_equals_differences_of_it(name, x64):
    make, parameters, _, x = CASES[name]
    inside = list(x).index(1.0 if name in DISCRETE else 0.3)
    slopes = compiled(make)(parameters, x)[1][0]
    for index, parameter in enumerate(parameters):
        around = [(*parameters[:index], parameter + step, *parameters[index + 1 :]) for step in (1e-5, -1e-5)]
        ahead, behind = (compiled(make)(parameters, x)[0][inside] for parameters in around)
        np.testing.assert_allclose(slopes[index][inside], (ahead - behind) / 2e-5, rtol=1e-7, atol=1e-7)


@every
def test_impossible_values_have_minus_infinity_and_a_finite_gradient(name, x64):
    make, parameters, _, x = CASES[name]
    x = np.array([-1.0, 0.5, 1e30, np.inf, -np.inf, np.nan, *x])[: len(x)]
    impossible = {"normal": [], "student t": [], "uniform": [0, 2]}.get(name, [0, 1] if name in DISCRETE else [0])
    values, slopes, _ = compiled(make)(parameters, x)
    assert np.isneginf(values[np.array([*impossible, 3, 4])]).all()
    assert np.isnan(values[5])
    for slope in jax.tree.leaves(slopes):
        assert np.isfinite(slope[np.array(impossible, int)]).all()


@every
def test_samples_have_its_distribution(name):
    make, parameters, theirs, _ = CASES[name]
    sample = np.asarray(sampler(make, 4000)(parameters, jax.random.key(7)), np.float64)
    assert sample.shape == (4000,)
    if name in DISCRETE:
        values = np.arange(8)
        counts = np.array([(sample == value).sum() for value in values])
        expected = theirs.pmf(values)
        often = expected * 4000 > 5
        statistic = np.sum((counts - 4000 * expected)[often] ** 2 / (4000 * expected[often]))
        assert st.chi2(often.sum()).sf(statistic) > 1e-3
        assert counts[expected == 0].sum() == 0
    else:
        assert st.kstest(sample, theirs.cdf).pvalue > 1e-3


def test_beta_with_small_parameters_samples_its_two_ends():
    sample = np.asarray(sampler(d.beta, 4000)((1e-3, 3e-3), jax.random.key(0)))
    assert np.isfinite(sample).all()
    np.testing.assert_allclose(sample.mean(), 0.25, atol=0.05)


@pytest.mark.parametrize(("make", "count"), [(d.bernoulli, ()), (d.binomial, (1.0,))], ids=["bernoulli", "binomial"])
def test_a_probability_of_zero_or_one_is_certain_and_has_finite_gradients(make, count, x64):
    for p in (0.0, 1.0):
        values, (slopes, _), _ = compiled(make)((*count, p), COUNTS)
        certain = np.equal(COUNTS, p)
        np.testing.assert_allclose(values, np.where(certain, 0.0, -np.inf), atol=1e-14)
        np.testing.assert_allclose(slopes[-1][certain], [2 * p - 1], rtol=1e-12)


def test_single_precision_is_kept():
    values = jax.jit(d.gamma(2.5, 3.0).log_prob)(EDGES.astype(np.float32))
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, CASES["gamma"][2].logpdf(EDGES), rtol=1e-5, atol=1e-6)


def test_at_the_edge_of_the_support_a_concentration_of_one_is_the_exponential(x64):
    values, (slopes, _), _ = compiled(d.gamma)((1.0, 3.0), EDGES)
    np.testing.assert_allclose(values[np.array([2, 5])], np.log(3.0) - np.array([0.0, 1.5]), rtol=1e-12)
    np.testing.assert_allclose(slopes[0][5], np.log(3.0) + np.log(0.5) + np.euler_gamma, rtol=1e-12)


def test_heavy_tails_have_no_variance_or_no_mean(x64):
    moments = [compiled(d.student_t)((df, 0.0, 1.0), EDGES)[2] for df in (3.0, 2.0, 1.0)]
    np.testing.assert_array_equal(moments, [(0, 3), (0, np.inf), (np.nan, np.nan)])


def test_the_multivariate_normal_equals_scipy(x64):
    loc, x = np.array([1.0, -2.0]), np.array([[0.0, 0.0], [1.0, -2.0], [5.0, 1.0]])
    log_prob = jax.jit(jax.vmap(lambda loc, s, x: d.multivariate_normal(loc, s).log_prob(x), (None, None, 0)))
    np.testing.assert_allclose(
        log_prob(loc, COVARIANCE, x), st.multivariate_normal(loc, COVARIANCE).logpdf(x), rtol=1e-12
    )
    assert np.isnan(log_prob(loc, -np.ones((2, 2)), x)).all()
    sample = sampler(d.multivariate_normal, 100, 100)((loc, COVARIANCE), jax.random.key(0))
    sample = np.asarray(sample).reshape(-1, 2)
    np.testing.assert_allclose(sample.mean(axis=0), loc, atol=0.05)
    np.testing.assert_allclose(np.cov(sample.T), COVARIANCE, atol=0.1)


def test_parameters_can_be_vmapped():
    locs = jnp.array([0.0, 1.0, 2.0])
    found = jax.jit(jax.vmap(lambda loc: d.normal(loc, 2.0).log_prob(0.5)))(locs)
    np.testing.assert_allclose(found, st.norm(locs, 2.0).logpdf(0.5), rtol=1e-5)
