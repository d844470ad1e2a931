"""Naive Bayes beside scikit-learn's, and what batches, weights and classes without rows do to it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import datasets, naive_bayes

from mlr_jax.classical.naive_bayes import (
    CountHypers,
    GaussianHypers,
    bernoulli,
    fit,
    gaussian,
    log_joint,
    merge,
    moments,
    multinomial,
    naive_bayes_learner,
    predict,
)
from mlr_jax.classical.naive_bayes import naive_bayes as estimator

SETS = {
    "iris": datasets.load_iris, "wine": datasets.load_wine, "breast_cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
}  # fmt: skip
FORMS = {
    "gaussian": (gaussian, GaussianHypers(1e-9), naive_bayes.GaussianNB(var_smoothing=1e-9)),
    "multinomial": (multinomial, CountHypers(0.5), naive_bayes.MultinomialNB(alpha=0.5)),
    "bernoulli": (bernoulli, CountHypers(0.5, 2.0), naive_bayes.BernoulliNB(alpha=0.5, binarize=2.0)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SETS)
def test_equals_scikit_learn_with_weights(name, form):
    x, y = SETS[name](return_X_y=True)
    likelihood, hypers, peer = FORMS[form]
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    if form == "gaussian":  # scikit-learn smooths by the greatest variance of the rows without their weights
        weighted = np.average((x - np.average(x, 0, weight)) ** 2, 0, weight)
        peer.var_smoothing = 1e-9 * weighted.max() / x.var(0).max()
    peer.fit(x, y, sample_weight=weight)
    with jax.enable_x64(True):
        model = fit(hypers, x, y, weight, likelihood=likelihood, num_classes=int(y.max()) + 1)
        np.testing.assert_allclose(predict(model, x), peer.predict_proba(x), rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(log_joint(model, x), peer.predict_joint_log_proba(x), rtol=1e-8)


def test_float32_keeps_the_variance_of_columns_far_from_zero():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(300, 2)) * [0.1, 10] + [1000, -5000], np.arange(300) % 2
    model = fit(GaussianHypers(), x.astype(np.float32), y, likelihood=gaussian, num_classes=2)
    expected = [x[y == k].astype(np.float32).astype(np.float64).var(0) for k in (0, 1)]
    np.testing.assert_allclose(model.variance, expected, rtol=1e-3)


@pytest.mark.parametrize("form", FORMS)
def test_a_weight_is_a_repetition_and_zero_is_absence(form):
    x, y = (part[::3] for part in datasets.load_iris(return_X_y=True))
    likelihood, hypers, _ = FORMS[form]
    weight = np.random.default_rng(2).integers(0, 3, len(y))
    junk = np.where((weight == 0)[:, None], np.nan, x)
    weighted = fit(hypers, junk, y, weight, likelihood=likelihood, num_classes=3)
    repeated = fit(hypers, x.repeat(weight, 0), y.repeat(weight), likelihood=likelihood, num_classes=3)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5), weighted, repeated)


@pytest.mark.parametrize("form", FORMS)
def test_the_learner_ends_in_the_model_of_the_whole_set(form):
    x, y = datasets.load_wine(return_X_y=True)
    likelihood, hypers, _ = FORMS[form]
    learner = naive_bayes_learner(likelihood, x.shape[1], 3)
    state = learner.init(jax.random.key(0), hypers)
    step = jax.jit(learner.step)
    for start in (0, 89):  # sorted by class: the second half has no row of the first class
        state, metrics = step(state, {"x": jnp.float32(x[start : start + 89]), "y": jnp.int32(y[start : start + 89])})
    whole = fit(hypers, np.float32(x), y, likelihood=likelihood, num_classes=3)
    ended = likelihood.estimate(state.hypers, state.moments)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4), ended, whole)
    assert metrics["weight"] == 178
    values = learner.evaluate(state, {"x": jnp.float32(x), "y": y})
    np.testing.assert_allclose(values["loss"], -np.log(np.asarray(predict(whole, x))[np.arange(178), y]), atol=2e-2)


def test_merging_with_nothing_changes_nothing():
    x, y = np.float32([[1, 2], [3, 5], [4, 4]]), np.int32([0, 1, 1])
    some = moments(jnp.asarray(x), jnp.asarray(y), jnp.ones(3), 2)
    nothing = jax.tree.map(jnp.zeros_like, some)
    for merged in (merge(some, nothing), merge(nothing, some)):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), merged, some)


@pytest.mark.parametrize("form", FORMS)
def test_a_class_without_rows_has_no_probability(form):
    likelihood, hypers, _ = FORMS[form]
    x, y = np.float32([[1, 2], [3, 0], [2, 4]]), np.int32([0, 2, 2])
    probabilities = predict(fit(hypers, x, y, likelihood=likelihood, num_classes=3), x)
    assert np.isfinite(probabilities).all()
    np.testing.assert_array_equal(probabilities[:, 1], 0)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-6)


def test_constant_columns_tell_no_class_from_another():
    x, y = np.ones((4, 2), np.float32), np.int32([0, 1, 1, 1])
    model = fit(GaussianHypers(), x, y, likelihood=gaussian, num_classes=2)
    np.testing.assert_allclose(predict(model, x), np.tile([0.25, 0.75], (4, 1)), rtol=1e-5)


def test_hyper_parameters_are_an_axis_of_one_program():
    x, y = datasets.load_digits(return_X_y=True)
    x, alphas = np.float32(x[:200]), jnp.array([0.1, 1.0, 10.0])
    record = estimator(bernoulli, 10)
    many = jax.vmap(lambda alpha: record.fit(jax.random.key(0), CountHypers(alpha, 2.0), x, y[:200], jnp.ones(200)))
    models = many(alphas)
    for index, alpha in enumerate(alphas):
        alone = fit(CountHypers(alpha, 2.0), x, y[:200], likelihood=bernoulli, num_classes=10)
        jax.tree.map(lambda a, b, i=index: np.testing.assert_allclose(a[i], b, rtol=1e-5), models, alone)
