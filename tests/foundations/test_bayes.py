import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st
from scipy.integrate import quad
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import confusion_matrix

from mlr_jax.foundations import bayes

DATA = load_breast_cancer()
IS_MALIGNANT = DATA.target == 0
RADIUS = DATA.data[:, list(DATA.feature_names).index("worst radius")]
# "The worst radius is above 17" as a test for malignancy: rows healthy and ill, columns negative and positive.
COUNTS = confusion_matrix(IS_MALIGNANT, RADIUS > 17.0)


def test_the_posterior_in_a_table_of_tumours_is_the_frequency_counted_in_it():
    table = bayes.table_of(COUNTS)
    for result in (0, 1):
        counted = [np.mean(IS_MALIGNANT[(RADIUS > 17.0) == result] == ill) for ill in (False, True)]
        np.testing.assert_allclose(bayes.posterior(table.prior, table.likelihood[:, result]), counted, rtol=1e-5)
    np.testing.assert_allclose(table.prior, [1 - IS_MALIGNANT.mean(), IS_MALIGNANT.mean()], rtol=1e-6)
    np.testing.assert_allclose(table.prior @ table.likelihood, table.evidence, rtol=1e-6)  # total probability


def test_the_predictive_values_of_that_test():
    (true_negative, false_positive), (false_negative, true_positive) = COUNTS
    sensitivity = true_positive / (true_positive + false_negative)
    specificity = true_negative / (true_negative + false_positive)
    found = bayes.predictive_values(IS_MALIGNANT.mean(), sensitivity, specificity)
    np.testing.assert_allclose(found.positive, true_positive / (true_positive + false_positive), rtol=1e-5)
    np.testing.assert_allclose(found.negative, true_negative / (true_negative + false_negative), rtol=1e-5)
    screening = jax.jit(jax.vmap(bayes.predictive_values, (0, None, None)))(jnp.array([0.01, 0.5]), 0.9, 0.9)
    np.testing.assert_allclose(screening.positive, [1 / 12, 0.9], rtol=1e-5)


def test_one_piece_of_evidence_after_another_is_all_at_once():
    rng = np.random.default_rng(0)
    prior, likelihoods = np.array([0.2, 0.3, 0.5], np.float32), rng.uniform(0.1, 1, (6, 3)).astype(np.float32)
    beliefs = bayes.updates(prior, likelihoods)
    for step in range(1, 7):
        joint = prior * likelihoods[:step].prod(axis=0)
        np.testing.assert_allclose(beliefs[step - 1], joint / joint.sum(), rtol=1e-5)
    together = bayes.log_posterior(jnp.log(prior), jnp.log(likelihoods))
    np.testing.assert_allclose(jnp.exp(together), beliefs[-1], rtol=1e-5)


def test_a_thousand_tosses_do_not_underflow_and_the_impossible_stays_so():
    log_likelihoods = np.log(np.tile(np.array([[0.5, 0.25, 0.2]]), (1000, 1))).astype(np.float32)
    log_prior = jnp.log(jnp.array([0.1, 0.9, 0.0]))
    found = bayes.log_posterior(log_prior, log_likelihoods)
    np.testing.assert_allclose(found, [0.0, np.log(9) - 1000 * np.log(2), -np.inf], rtol=1e-5, atol=1e-5)
    assert np.isnan(bayes.posterior(jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0]))).all()


def test_conjugate_posteriors_equal_the_theorem_by_integration():
    a, b = bayes.beta_binomial(2.0, 3.0, 4, 1)
    check(st.beta(a, b), lambda p: st.beta(2, 3).pdf(p) * p**4 * (1 - p), 0, 1)
    counts = np.array([2, 0, 3])
    concentration, rate = bayes.gamma_poisson(2.0, 1.5, counts)
    prior = st.gamma(2.0, scale=1 / 1.5)
    check(st.gamma(concentration, scale=1 / rate), lambda r: prior.pdf(r) * st.poisson(r).pmf(counts).prod(), 0, 20)
    x = np.array([1.2, 0.7, 2.0], np.float32)
    loc, scale = bayes.normal_normal(0.5, 2.0, x, 1.5)
    check(st.norm(loc, scale), lambda m: st.norm(0.5, 2.0).pdf(m) * st.norm(m, 1.5).pdf(x).prod(), -20, 20)


def check(posterior, joint, low, high):
    """The posterior's density is the joint divided by its integral."""
    evidence = quad(joint, low, high)[0]
    for value in (0.2, 0.5, 0.9):
        np.testing.assert_allclose(posterior.pdf(value), joint(value) / evidence, rtol=1e-5)


def test_a_table_has_two_axes():
    with pytest.raises(ValueError, match=r"counts: got shape \(3,\), wanted \[H, E\]"):
        bayes.table_of(np.ones(3))
