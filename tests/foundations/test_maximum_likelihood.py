import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegression

from mlr_jax.foundations import distributions
from mlr_jax.foundations import maximum_likelihood as ml

AREA = load_breast_cancer().data[:, 3]
IRIS = load_iris()
COUNTS = np.random.default_rng(0).poisson(3.0, 50)


def test_closed_forms_equal_scipy_on_real_columns(x64):
    np.testing.assert_allclose(ml.normal(AREA), st.norm.fit(AREA), rtol=1e-12)
    np.testing.assert_allclose(ml.exponential(AREA), 1 / st.expon.fit(AREA, floc=0)[1], rtol=1e-12)
    low, high = ml.uniform(AREA)
    np.testing.assert_allclose((low, high - low), st.uniform.fit(AREA), rtol=1e-12)
    loc, covariance = ml.multivariate_normal(IRIS.data)
    expected = st.multivariate_normal.fit(IRIS.data)
    np.testing.assert_allclose(loc, expected[0], rtol=1e-12)
    np.testing.assert_allclose(covariance, expected[1], rtol=1e-12)


def test_closed_forms_of_counts_are_shares_and_means():
    np.testing.assert_allclose(ml.bernoulli(np.array([1, 0, 1, 1])), 0.75)
    np.testing.assert_allclose(ml.categorical(np.array([2, 0, 2, 2]), 4), [0.25, 0, 0.75, 0])
    np.testing.assert_allclose(ml.poisson(COUNTS), COUNTS.mean(), rtol=1e-6)


@pytest.mark.parametrize(("make", "fitted", "x"), [
    (distributions.bernoulli, ml.bernoulli, (COUNTS > 2).astype(float)), (distributions.poisson, ml.poisson, COUNTS),
    (distributions.exponential, ml.exponential, AREA), (distributions.normal, ml.normal, AREA),
    (distributions.gamma, ml.gamma, AREA),
])  # fmt: skip
def test_at_the_maximum_the_gradient_of_the_likelihood_is_zero(make, fitted, x, x64):
    theta = jnp.stack(jax.tree.leaves(fitted(jnp.asarray(x))))

    def log_likelihood(scale):
        return jnp.sum(make(*(scale * theta)).log_prob(x))

    slope = jax.jit(jax.grad(log_likelihood))(jnp.ones_like(theta))
    np.testing.assert_allclose(slope, np.zeros(theta.shape), atol=1e-7 * len(x))


def test_the_gamma_fit_equals_scipy_in_both_precisions(dtype):
    concentration, rate = jax.jit(ml.gamma)(AREA.astype(dtype))
    expected, _, scale = st.gamma.fit(AREA, floc=0)
    assert concentration.dtype == dtype
    np.testing.assert_allclose((concentration, rate), (expected, 1 / scale), rtol=1e-4)
    assert np.isnan(jax.jit(ml.gamma)(np.full(len(AREA), 2.0, dtype))).all()


def normal_log_likelihood(theta, x=AREA / 1000):
    return jnp.sum(distributions.normal(theta[0], jnp.exp(theta[1])).log_prob(x))


def test_newton_finds_the_closed_form_and_its_standard_errors(dtype):
    found = jax.jit(lambda start: ml.newton(normal_log_likelihood, start))(np.array([0.0, 2.0], dtype))
    loc, scale = AREA.mean() / 1000, AREA.std() / 1000
    assert found.converged
    assert found.parameters.dtype == dtype
    np.testing.assert_allclose(found.parameters, [loc, np.log(scale)], rtol=1e-4)
    errors = [scale / np.sqrt(len(AREA)), 1 / np.sqrt(2 * len(AREA))]
    np.testing.assert_allclose(found.standard_errors, errors, rtol=1e-3)
    np.testing.assert_allclose(found.log_likelihood, st.norm(loc, scale).logpdf(AREA / 1000).sum(), rtol=1e-5)


def test_newton_on_logistic_regression_equals_scikit_learn(x64):
    x, y = IRIS.data[50:, :2], IRIS.target[50:] - 1
    x = np.column_stack([np.ones(len(x)), x])

    def log_likelihood(w):
        return jnp.sum(y * (x @ w) - jax.nn.softplus(x @ w))

    found = jax.jit(lambda start: ml.newton(log_likelihood, start, tolerance=1e-12))(np.zeros(3))
    expected = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000).fit(x, y)
    assert found.converged
    assert found.iterations < 10
    np.testing.assert_allclose(found.parameters, expected.coef_[0], rtol=1e-5)


def test_newton_climbs_out_of_a_place_that_is_not_concave():
    """The Cauchy likelihood is convex far out, where a plain Newton step goes the wrong way."""

    def log_likelihood(theta):
        return jnp.sum(distributions.student_t(1.0, theta[0]).log_prob(jnp.array([-0.5, 0.1, 0.7])))

    run = jax.jit(jax.vmap(lambda start: ml.newton(log_likelihood, start)))
    found = run(jnp.array([[8.0], [0.0], [-6.0]]))
    assert found.converged.all()
    np.testing.assert_allclose(found.parameters, np.full((3, 1), found.parameters[1, 0]), rtol=1e-2)


def test_without_a_maximum_newton_does_not_converge():
    found = jax.jit(lambda start: ml.newton(lambda theta: theta[0], start))(jnp.zeros(1))
    assert not found.converged
