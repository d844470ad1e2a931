"""Lasso and elastic net beside scikit-learn's, the duality gap, derivatives, weights, edges and learner."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import datasets
from sklearn.linear_model import ElasticNet

from mlr_jax.classical.lasso import Hypers, fit, lasso, lasso_learner, predict
from mlr_jax.core.scan import repeat

SETS = {"diabetes": datasets.load_diabetes, "wine": datasets.load_wine, "breast_cancer": datasets.load_breast_cancer}
X, Y = datasets.load_diabetes(return_X_y=True)
compiled = jax.jit(fit, static_argnames=("fit_intercept", "gram", "max_iterations"))
either_way = pytest.mark.parametrize("gram", [False, True])


def greatest_alpha(x, y, weight):
    """The least alpha at which every coefficient of the lasso is zero."""
    dx, dy = x - np.average(x, 0, weight), y - np.average(y, weights=weight)
    return np.abs((weight * dy) @ dx).max() / weight.sum()


def objective(coefficients, intercept, x, y, weight, alpha, l1_ratio):  # noqa: PLR0917
    error = x @ np.asarray(coefficients, float) + float(intercept) - y
    penalty = l1_ratio * np.abs(coefficients).sum() + 0.5 * (1 - l1_ratio) * np.square(coefficients).sum()
    return 0.5 * np.average(error**2, weights=weight) + alpha * penalty


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("name", SETS)
@either_way
def test_equals_scikit_learn_with_weights(name, l1_ratio, gram):
    x, y = SETS[name](return_X_y=True)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    with jax.enable_x64(True):
        for share in (0.5, 0.01):
            alpha = share * greatest_alpha(x, y, weight)
            peer = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, tol=1e-11, max_iter=100_000).fit(x, y, weight)
            model = compiled(Hypers(alpha, l1_ratio, 1e-11), x, y, weight, gram=gram)
            assert model.converged
            scale = np.abs(peer.coef_).max()
            np.testing.assert_allclose(model.coefficients, peer.coef_, rtol=1e-4, atol=1e-4 * scale)
            if l1_ratio == 1.0:
                np.testing.assert_array_equal(model.coefficients != 0, peer.coef_ != 0)
            ours, theirs = (
                objective(w, b, x, y, weight, alpha, l1_ratio)
                for w, b in ((model.coefficients, model.intercept), (peer.coef_, peer.intercept_))
            )
            assert ours <= theirs * (1 + 1e-9)


@either_way
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
def test_the_gap_bounds_how_far_the_objective_is_above_its_minimum(l1_ratio, gram):
    with jax.enable_x64(True):
        ones, alpha = np.ones(442), 0.02
        exact = compiled(Hypers(alpha, l1_ratio, 1e-13), X, Y, gram=gram)
        least = objective(exact.coefficients, exact.intercept, X, Y, ones, alpha, l1_ratio)
        for iterations in (1, 4, 10):
            model = compiled(Hypers(alpha, l1_ratio, 0.0), X, Y, gram=gram, max_iterations=iterations)
            above = objective(model.coefficients, model.intercept, X, Y, ones, alpha, l1_ratio) - least
            assert -1e-9 * least <= above <= model.gap + 1e-9 * least
            assert model.iterations == iterations
            assert not model.converged


def test_without_intercept():
    peer = ElasticNet(0.1, l1_ratio=0.7, fit_intercept=False, tol=1e-10, max_iter=10_000).fit(X, Y)
    with jax.enable_x64(True):
        for gram in (False, True):
            model = compiled(Hypers(0.1, 0.7, 1e-11), X, Y, fit_intercept=False, gram=gram)
            np.testing.assert_allclose(model.coefficients, peer.coef_, rtol=1e-4, atol=1e-4)
            assert model.intercept == 0.0


@either_way
def test_at_the_greatest_alpha_all_is_zero_and_just_below_it_is_not(gram):
    with jax.enable_x64(True):
        alpha = greatest_alpha(X, Y, np.ones(442))
        above = compiled(Hypers(alpha * (1 + 1e-9), 1.0, 1e-12), X, Y, gram=gram)
        np.testing.assert_array_equal(above.coefficients, 0.0)
        np.testing.assert_allclose(above.intercept, Y.mean())
        assert above.converged
        below = compiled(Hypers(alpha * 0.99, 1.0, 1e-12), X, Y, gram=gram)
        assert np.sum(below.coefficients != 0) == 1


@either_way
@pytest.mark.parametrize("name", ["wine", "breast_cancer"])
def test_float32_on_raw_columns_of_very_different_scale(name, gram):
    x, y = SETS[name](return_X_y=True)
    alpha = 0.001 * greatest_alpha(x, y, np.ones(len(y)))
    model = compiled(Hypers(alpha), x.astype(np.float32), y.astype(np.float32), gram=gram)
    peer = ElasticNet(alpha=alpha, l1_ratio=1.0, tol=1e-10, max_iter=100_000).fit(x, y)
    ours, theirs = (
        objective(w, b, x, y, np.ones(len(y)), alpha, 1.0)
        for w, b in ((model.coefficients, model.intercept), (peer.coef_, peer.intercept_))
    )
    assert model.converged
    assert model.coefficients.dtype == jnp.float32
    assert ours <= theirs + 1.1e-4 * y.var()


@either_way
def test_a_weight_is_a_repetition_and_zero_is_absence(gram):
    counts = np.random.default_rng(0).integers(0, 3, 442)
    junk = np.where(counts[:, None] > 0, X, np.nan)
    with jax.enable_x64(True):
        hypers = Hypers(0.05, 0.9, 1e-12)
        model = compiled(hypers, junk, np.where(counts > 0, Y, np.nan), counts.astype(float), gram=gram)
        repeated = compiled(hypers, np.repeat(X, counts, 0), np.repeat(Y, counts), gram=gram)
    np.testing.assert_allclose(model.coefficients, repeated.coefficients, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.intercept, repeated.intercept, rtol=1e-9)


@either_way
def test_a_vmap_over_penalties_equals_solo_fits(gram):
    with jax.enable_x64(True):
        alphas = jnp.array([1.0, 0.01, 100.0])
        models = jax.jit(jax.vmap(lambda alpha: fit(Hypers(alpha, 1.0, 1e-9), X, Y, gram=gram)))(alphas)
        for index, alpha in enumerate(alphas):
            solo = compiled(Hypers(alpha, 1.0, 1e-9), X, Y, gram=gram)
            np.testing.assert_allclose(models.coefficients[index], solo.coefficients, rtol=1e-9, atol=1e-9)
            assert models.iterations[index] == solo.iterations


def test_new_hypers_trace_nothing_new():
    traces = []
    traced = jax.jit(lambda hypers: traces.append(0) or fit(hypers, X, Y).intercept)
    for alpha, l1_ratio in ((1.0, 1.0), (0.1, 0.5), (0.0, 0.0)):
        traced(Hypers(alpha, l1_ratio))
    assert len(traces) == 1


@either_way
def test_gradients_through_the_fit_agree_with_finite_differences(gram):
    with jax.enable_x64(True):
        weight, h = jnp.asarray(np.random.default_rng(0).uniform(0.5, 2, 221)), 1e-6

        @jax.jit
        def value(alpha, l1_ratio, x, y, weight):
            model = fit(Hypers(alpha, l1_ratio, 1e-13), x, y, weight, gram=gram)
            return jnp.mean((predict(model, X[1::2]) - Y[1::2]) ** 2)

        at = (0.03, 0.9, jnp.asarray(X[::2]), jnp.asarray(Y[::2]), weight)
        gradient = jax.jit(jax.grad(value, (0, 1, 2, 3, 4)))(*at)
        for argument, index in ((0, ()), (1, ()), (2, (4, 2)), (3, (5,)), (4, (5,))):
            step = jnp.zeros_like(jnp.asarray(at[argument])).at[index].set(h)
            up, down = (value(*at[:argument], at[argument] + s, *at[argument + 1 :]) for s in (step, -step))
            np.testing.assert_allclose(gradient[argument][index], (up - down) / (2 * h), rtol=1e-3)
        each = jax.vmap(jax.grad(value), (0, None, None, None, None))(jnp.array([0.03, 1.0]), *at[1:])
        np.testing.assert_allclose(each[0], gradient[0], rtol=1e-6)


@either_way
def test_constant_and_repeated_columns_few_rows_and_one_column(gram):
    x = np.concatenate([X, X[:, :1], np.full((442, 1), 1e3)], axis=1).astype(np.float32)
    y = Y.astype(np.float32)
    model = compiled(Hypers(0.1), x, y, gram=gram)
    alone = compiled(Hypers(0.1), x[:, :10], y, gram=gram)
    np.testing.assert_allclose(model.coefficients[0] + model.coefficients[10], alone.coefficients[0], atol=2.0)
    assert model.coefficients[11] == 0.0
    few = compiled(Hypers(1.0), x[:6], y[:6], gram=gram)
    one = compiled(Hypers(0.1), x[:, 2:3], y, gram=gram)
    flat = compiled(Hypers(0.1), x[:, :10], np.full(442, 3.0, np.float32), gram=gram)
    assert all(np.isfinite(leaf).all() for leaf in (*model, *few, *one, *flat))
    assert model.converged & few.converged & one.converged & flat.converged
    np.testing.assert_array_equal(flat.coefficients, 0.0)
    np.testing.assert_allclose(flat.intercept, 3.0, rtol=1e-6)


def test_without_a_penalty_it_tends_to_least_squares_and_says_that_it_knows_no_bound():
    with jax.enable_x64(True):
        model = compiled(Hypers(0.0), X, Y, gram=True, max_iterations=2000)
    design = np.c_[X, np.ones(442)]
    np.testing.assert_allclose(model.coefficients, np.linalg.lstsq(design, Y)[0][:-1], rtol=1e-4)
    assert not model.converged
    empty = compiled(Hypers(0.1), X.astype(np.float32), Y.astype(np.float32), np.zeros(442, np.float32))
    np.testing.assert_array_equal(empty.coefficients, 0.0)


def test_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match=r"y: got shape \(442, 1\)"):
        fit(Hypers(), X, Y[:, None])
    with pytest.raises(ValueError, match="max_iterations: got 0"):
        lasso(max_iterations=0)


def test_estimator_fits():
    estimator, x, y = lasso(), X.astype(np.float32), Y.astype(np.float32)
    model = jax.jit(estimator.fit)(jax.random.key(0), Hypers(0.1), x, y, np.ones(442))
    np.testing.assert_allclose(model.coefficients, compiled(Hypers(0.1), x, y).coefficients, rtol=1e-2, atol=1.0)
    assert estimator.predict(model, x).shape == (442,)


def test_the_learner_ends_where_the_fit_does():
    learner, x, y = lasso_learner(10), X.astype(np.float32), Y.astype(np.float32)
    state = learner.init(jax.random.key(0), Hypers(0.1, 0.9))
    state, metrics = repeat(learner, 100)(state, {"x": x, "y": y})
    model = compiled(Hypers(0.1, 0.9, 1e-5), x, y)
    np.testing.assert_allclose(state.coefficients, model.coefficients, rtol=1e-2, atol=1.0)
    assert metrics["gap"][-1] < 1e-4 * Y.var()
    error = learner.evaluate(state, {"x": x, "y": y})["squared_error"]
    np.testing.assert_allclose(np.mean(error), np.mean(np.square(predict(model, x) - y)), rtol=1e-3)
