"""Gradient boosting beside scikit-learn's, by hand for one tree, and as a learner."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import datasets
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from mlr_jax.classical import boosting
from mlr_jax.classical.boosting import Hypers, fit, predict
from mlr_jax.classical.boosting_losses import logistic, softmax, squared

KEY = jax.random.key(0)
SETTINGS = {"num_trees": 40, "max_depth": 3, "max_bins": 255}
PEER = {"max_iter": 40, "max_depth": 3, "max_leaf_nodes": None, "min_samples_leaf": 1, "early_stopping": False}


def test_the_first_stump_is_the_best_of_all_by_hand():
    rng = np.random.default_rng(0)
    x, y, weight = rng.normal(size=(30, 2)), rng.normal(size=30), rng.uniform(0.5, 2, 30)
    with jax.enable_x64(True):
        model = fit(Hypers(1.0, 0.7, 0.0), x, y, weight, key=KEY, num_trees=1, max_depth=1, max_bins=64)
        prediction = predict(model, x)
    mean = np.average(y, weights=weight)
    best = (np.inf, 0, 0.0)
    for column in (0, 1):
        for threshold in np.sort(x[:, column])[:-1]:
            left = x[:, column] <= threshold
            objective = 0.0
            for side in (left, ~left):
                g, h = weight[side] @ (mean - y[side]), weight[side].sum()
                objective -= 0.5 * g**2 / (h + 0.7)
            best = min(best, (objective, column, threshold))
    assert model.trees.feature[0, 0, 0] == best[1]
    left = x[:, best[1]] <= best[2]
    expected = np.where(left, *(weight[s] @ (y[s] - mean) / (weight[s].sum() + 0.7) for s in (left, ~left))) + mean
    np.testing.assert_allclose(prediction, expected, rtol=1e-6)


def test_regression_equals_scikit_learn():
    x, y = datasets.load_diabetes(return_X_y=True)
    peer = HistGradientBoostingRegressor(**PEER).fit(x, y)
    model = fit(Hypers(), np.float32(x), np.float32(y), key=KEY, **SETTINGS)
    ours, theirs = (np.mean((values - y) ** 2) for values in (predict(model, np.float32(x)), peer.predict(x)))
    assert abs(ours - theirs) < 0.02 * theirs


@pytest.mark.parametrize(("load", "loss"), [(datasets.load_breast_cancer, logistic), (datasets.load_wine, softmax(3))])
def test_classification_loses_as_little_as_scikit_learn(load, loss):
    x, y = load(return_X_y=True)
    train, test = np.arange(len(y)) % 3 > 0, np.arange(len(y)) % 3 == 0
    peer = HistGradientBoostingClassifier(**PEER).fit(x[train], y[train]).predict_proba(x[test])
    model = fit(Hypers(), np.float32(x[train]), y[train], key=KEY, loss=loss, **SETTINGS)
    ours = np.asarray(predict(model, np.float32(x[test]), loss=loss))
    np.testing.assert_allclose(ours.sum(1), 1, rtol=1e-5)
    right = [np.mean(values.argmax(1) == y[test]) for values in (ours, peer)]
    assert right[0] >= right[1] - np.sqrt(right[1] * (1 - right[1]) / test.sum()) - 1e-9


@pytest.mark.parametrize("loss", [squared, logistic, softmax(3)], ids=["squared", "logistic", "softmax"])
def test_derivatives_are_those_of_the_loss(loss):
    y, scores = jnp.array([0, 1, 1]), jax.random.normal(KEY, (3, loss.outputs))
    g, h = loss.derivatives(y, scores)
    total = lambda scores: jnp.sum(loss.value(y, scores))  # noqa: E731
    np.testing.assert_allclose(g, jax.grad(total)(scores), atol=1e-6)
    hessian = jax.hessian(total)(scores)
    for row in range(3):
        np.testing.assert_allclose(h[row], np.diag(hessian[row, :, row]), atol=1e-6)
    start = loss.start(y, jnp.ones(3))
    if loss.outputs == 1:
        slope = jax.grad(lambda start: total(jnp.broadcast_to(start[None], (3, 1))))(start)
        np.testing.assert_allclose(slope, 0, atol=1e-5)


def test_a_weight_is_a_repetition_and_zero_is_absence():
    x, y = (part[::4] for part in datasets.load_diabetes(return_X_y=True))
    weight = np.random.default_rng(2).integers(0, 3, len(y))
    junk = np.where((weight == 0)[:, None], np.nan, x)
    settings = {"key": KEY, "num_trees": 5, "max_depth": 2}
    with jax.enable_x64(True):
        weighted = predict(fit(Hypers(), junk, y, weight, **settings), x)
        repeated = predict(fit(Hypers(), x.repeat(weight, 0), y.repeat(weight), **settings), x)
    np.testing.assert_allclose(weighted, repeated, rtol=1e-9)


def test_a_missing_value_that_tells_the_class_is_used():
    x = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    y = (np.arange(60) % 3 == 0).astype(np.int32)
    x[y == 1, 0] = np.nan
    model = fit(Hypers(), x, y, key=KEY, loss=logistic, num_trees=20, max_depth=1)
    assert np.all(np.argmax(predict(model, x, loss=logistic), 1) == y)
    np.testing.assert_allclose(boosting.feature_importances(model, 2), [1, 0], atol=1e-3)


def test_the_learner_grows_what_fit_grows():
    x, y = (np.float32(part[::4]) for part in datasets.load_diabetes(return_X_y=True))
    learner = boosting.boosting_learner(num_trees=4, max_depth=2)
    state = learner.init(KEY, Hypers())
    step, losses = jax.jit(learner.step), []
    for _ in range(4):
        state, metrics = step(state, {"x": x, "y": y})
        losses.append(float(metrics["loss"]))
    model = fit(Hypers(), x, y, key=KEY, num_trees=4, max_depth=2)
    np.testing.assert_allclose(predict(state.model, x), predict(model, x), rtol=1e-4)
    assert losses == sorted(losses, reverse=True)


def test_learning_rates_are_an_axis_of_one_program():
    x, y = (np.float32(part[::4]) for part in datasets.load_diabetes(return_X_y=True))
    settings = {"key": KEY, "num_trees": 3, "max_depth": 2}
    many = jax.vmap(lambda rate: predict(fit(Hypers(rate), x, y, **settings), x))(jnp.array([0.1, 0.5]))
    for row, rate in zip(many, (0.1, 0.5), strict=True):
        np.testing.assert_allclose(row, predict(fit(Hypers(rate), x, y, **settings), x), rtol=1e-4)


def test_subsampling_draws_other_rows_for_each_tree():
    x, y = (np.float32(part[::4]) for part in datasets.load_diabetes(return_X_y=True))
    half = [fit(Hypers(subsample=0.5), x, y, key=jax.random.key(k), num_trees=2, max_depth=2) for k in (0, 0, 1)]
    first, same, other = (predict(model, x) for model in half)
    np.testing.assert_array_equal(first, same)
    assert np.any(first != other)


@pytest.mark.parametrize(
    ("keywords", "message"), [({"num_trees": 0}, "num_trees: got 0"), ({"max_depth": 0}, "max_depth: got 0")]
)
def test_a_wrong_size_is_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        fit(Hypers(), np.ones((4, 1)), np.ones(4), key=KEY, **keywords)
