"""Least squares and ridge regression beside scikit-learn's, derivatives, weights, edges and learners."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import datasets
from sklearn.linear_model import LinearRegression, Ridge

from mlr_jax.classical.linear import (
    Hypers,
    NoHypers,
    fit,
    least_squares,
    least_squares_learner,
    predict,
    ridge,
    ridge_learner,
)

SETS = {
    "diabetes": datasets.load_diabetes, "wine": datasets.load_wine, "breast_cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
}  # fmt: skip
X, Y = datasets.load_diabetes(return_X_y=True)
compiled = jax.jit(fit, static_argnames="fit_intercept")


@pytest.mark.parametrize("alpha", [0.0, 0.7])
@pytest.mark.parametrize("name", SETS)
def test_equals_scikit_learn_with_weights(name, alpha):
    x, y = SETS[name](return_X_y=True)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    peer = (Ridge(alpha) if alpha else LinearRegression()).fit(x, y, weight)
    with jax.enable_x64(True):
        model = compiled(Hypers(alpha), x, y, weight)
    np.testing.assert_allclose(model.coefficients, peer.coef_, rtol=1e-7, atol=1e-9 * np.abs(peer.coef_).max())
    np.testing.assert_allclose(model.intercept, peer.intercept_, rtol=1e-7)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("rows", [7, 442])
def test_several_targets_with_and_without_intercept_and_few_rows(rows, fit_intercept):
    x, y = X[:rows], np.stack([Y, Y**2 / 100], axis=1)[:rows]
    with jax.enable_x64(True):
        for alpha, peer in ((0.0, LinearRegression), (0.3, lambda **keywords: Ridge(0.3, **keywords))):
            expected = peer(fit_intercept=fit_intercept).fit(x, y)
            model = compiled(Hypers(alpha), x, y, fit_intercept=fit_intercept)
            np.testing.assert_allclose(model.coefficients.T, expected.coef_, rtol=1e-6, atol=1e-8)
            np.testing.assert_allclose(model.intercept, expected.intercept_ * np.ones(2), rtol=1e-7)
            np.testing.assert_allclose(predict(model, x), expected.predict(x), rtol=1e-7)


def test_collinear_and_constant_columns_get_the_answer_of_least_norm():
    x = np.concatenate([X, X[:, :1] + X[:, 1:2], np.full((442, 1), 5.0)], axis=1)
    with jax.enable_x64(True):
        model = compiled(Hypers(0.0), x, Y)
    np.testing.assert_allclose(model.coefficients, LinearRegression().fit(x, Y).coef_, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ["wine", "breast_cancer"])
def test_float32_on_raw_columns_of_very_different_scale(name):
    x, y = SETS[name](return_X_y=True)
    for alpha in (0.0, 1.0):
        model = compiled(Hypers(alpha), x.astype(np.float32), y.astype(np.float32))
        assert model.coefficients.dtype == jnp.float32
        exact = (Ridge(alpha) if alpha else LinearRegression()).fit(x, y)
        ours, theirs = (
            np.sum((x @ w + b - y) ** 2) + alpha * np.sum(w**2)
            for w, b in ((np.float64(model.coefficients), float(model.intercept)), (exact.coef_, exact.intercept_))
        )
        assert ours <= theirs * (1 + 1e-4)


def test_a_weight_is_a_repetition_and_zero_is_absence():
    counts = np.random.default_rng(0).integers(0, 3, 442)
    junk = np.where(counts[:, None] > 0, X, np.nan)
    with jax.enable_x64(True):
        for alpha in (0.0, 0.5):
            model = compiled(Hypers(alpha), junk, np.where(counts > 0, Y, np.inf), counts.astype(float))
            repeated = compiled(Hypers(alpha), np.repeat(X, counts, 0), np.repeat(Y, counts))
            np.testing.assert_allclose(model.coefficients, repeated.coefficients, rtol=1e-9)
            np.testing.assert_allclose(model.intercept, repeated.intercept, rtol=1e-9)
        few = (np.arange(442) < 6).astype(float)  # fewer rows than columns, but that shows at run time only
        alone = compiled(Hypers(0.0), X[:6], Y[:6])
        np.testing.assert_allclose(compiled(Hypers(0.0), X, Y, few).coefficients, alone.coefficients, rtol=1e-6)


def test_a_vmap_over_alphas_and_folds_equals_solo_fits_and_forms_one_matrix_for_each_fold():
    alphas = jnp.array([0.0, 0.1, 10.0])
    weight = jnp.asarray(np.stack([np.arange(442) % 2 != fold for fold in range(2)]), jnp.float32)

    def of_all(x):
        return jax.vmap(lambda w: jax.vmap(lambda alpha: fit(Hypers(alpha), x, Y, w))(alphas))(weight)

    x = X.astype(np.float32)
    models = jax.jit(of_all)(x)
    for fold in range(2):
        for index, alpha in enumerate(alphas):
            solo = compiled(Hypers(alpha), x, Y, weight[fold])
            np.testing.assert_allclose(models.coefficients[fold, index], solo.coefficients, rtol=2e-3, atol=1.0)
    program = jax.jit(of_all).lower(x).as_text()
    assert "tensor<2x442x10xf32>" in program
    assert "tensor<2x3x442x10xf32>" not in program


def test_new_hypers_trace_nothing_new():
    traces = []
    traced = jax.jit(lambda hypers: traces.append(0) or fit(hypers, X, Y).intercept)
    for alpha in (1.0, 0.0, 3.0):
        traced(Hypers(alpha))
    assert len(traces) == 1


@pytest.mark.parametrize("rows", [30, 9])
def test_gradients_through_the_fit_agree_with_finite_differences(rows):
    with jax.enable_x64(True):
        x, h = jnp.asarray(X[:rows]), 1e-6
        weight = jnp.asarray(np.random.default_rng(0).uniform(0.5, 2, rows)).at[3].set(0.0)

        @jax.jit
        def value(alpha, x, y, weight):
            error = predict(fit(Hypers(alpha), x, y, weight), X[-50:]) - Y[-50:]
            return jnp.mean(error**2)

        at = (0.3, x, jnp.asarray(Y[:rows]), weight)
        gradient = jax.jit(jax.grad(value, (0, 1, 2, 3)))(*at)
        for argument, index in ((0, ()), (1, (4, 2)), (2, (5,)), (3, (5,))):
            step = jnp.zeros_like(jnp.asarray(at[argument])).at[index].set(h)
            up, down = (value(*at[:argument], at[argument] + s, *at[argument + 1 :]) for s in (step, -step))
            np.testing.assert_allclose(gradient[argument][index], (up - down) / (2 * h), rtol=1e-5)
        assert np.isfinite(gradient[3]).all()
        each = jax.vmap(jax.grad(value), (0, None, None, None))(jnp.array([0.3, 2.0]), *at[1:])
        np.testing.assert_allclose(each[0], gradient[0], rtol=1e-8)


def test_a_great_alpha_leaves_the_mean_and_no_rows_leave_nothing():
    model = compiled(Hypers(1e12), X.astype(np.float32), Y.astype(np.float32))
    np.testing.assert_allclose(model.coefficients, 0.0, atol=1e-6)
    np.testing.assert_allclose(model.intercept, Y.mean(), rtol=1e-5)
    empty = compiled(Hypers(1.0), X.astype(np.float32), Y.astype(np.float32), np.zeros(442, np.float32))
    np.testing.assert_array_equal(empty.coefficients, 0.0)
    np.testing.assert_array_equal(empty.intercept, 0.0)


def test_one_column_and_whole_numbers_as_targets():
    x, y = np.arange(6.0)[:, None], np.array([1, 3, 5, 7, 9, 11])
    model = fit(Hypers(0.0), x.astype(np.float32), y)
    np.testing.assert_allclose([model.coefficients[0], model.intercept], [2.0, 1.0], rtol=1e-5)


def test_refuses_targets_of_another_rank():
    with pytest.raises(ValueError, match=r"y: got shape \(442, 1, 1\)"):
        fit(Hypers(), X, Y[:, None, None])


def test_estimators_bind_alpha():
    key, weight = jax.random.key(0), np.ones(442)
    for estimator, hypers, alpha in ((ridge(), Hypers(0.5), 0.5), (least_squares(), NoHypers(), 0.0)):
        model = estimator.fit(key, hypers, X, Y, weight)
        np.testing.assert_allclose(model.coefficients, compiled(Hypers(alpha), X, Y, weight).coefficients, rtol=1e-3)
        assert estimator.predict(model, X).shape == (442,)


@pytest.mark.parametrize("targets", [1, 2])
def test_the_learner_ends_where_the_fit_does(targets):
    x, y = X.astype(np.float32), np.stack([Y, -2 * Y + 7], axis=1)[:, :targets].astype(np.float32)
    for learner, hypers, alpha in (
        (ridge_learner(10, num_targets=targets), Hypers(0.1), 0.1),
        (least_squares_learner(10, num_targets=targets), NoHypers(), 0.0),
    ):
        state, step = learner.init(jax.random.key(0), hypers), jax.jit(learner.step)
        for part in np.split(np.arange(442), [200, 400]):
            state, metrics = step(state, {"x": x[part], "y": y[part]})
        assert metrics["weight"] == 442
        error = predict(compiled(Hypers(alpha), x, y), x) - y
        values = learner.evaluate(state, {"x": x, "y": y})
        np.testing.assert_allclose(values["squared_error"], np.mean(np.square(error), axis=1), rtol=2e-2, atol=2.0)
