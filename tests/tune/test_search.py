import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_validate
from tune.tiny_estimators import Hypers, guess, ridge

from mlr_jax.core.types import Estimator
from mlr_jax.ops.metrics import regression
from mlr_jax.tune.folds import k_fold, nested, partition
from mlr_jax.tune.grid import grid
from mlr_jax.tune.search import GREATEST, LEAST, Choice, choose, grid_search, nested_cross_validate

X, Y = load_diabetes(return_X_y=True)
X, Y = X[:120], Y[:120]
ALPHAS = np.logspace(1, -3, 9)
FOLDS = partition(k_fold(120, 5, seed=0))


def pairs(train, test):
    return [(np.flatnonzero(fitted), tested[tested >= 0]) for fitted, tested in zip(train, test, strict=True)]


@pytest.mark.parametrize(
    ("metric", "choice", "scoring"),
    [(regression.r2, GREATEST, "r2"), (regression.mean_absolute_error, LEAST, "neg_mean_absolute_error")],
)
def test_the_search_of_scikit_learn(metric, choice, scoring):
    expected = GridSearchCV(Ridge(), {"alpha": ALPHAS}, cv=pairs(*FOLDS), scoring=scoring).fit(X, Y)
    with jax.enable_x64(True):
        search = grid_search(ridge, grid(Hypers(), alpha=ALPHAS), FOLDS, X, Y, metric=metric, choice=choice)
        assert search.best == expected.best_index_
        np.testing.assert_allclose(search.hypers.alpha, expected.best_params_["alpha"], rtol=1e-12)
        np.testing.assert_allclose(ridge.predict(search.model, X), expected.predict(X), rtol=1e-9)
        means = search.scores.test["score"].mean(axis=(0, 2))
        np.testing.assert_allclose(abs(means), abs(expected.cv_results_["mean_test_score"]), rtol=1e-9)


def test_the_best_is_the_first_of_equals_and_never_nan():
    values = jnp.array([[1.0, 3.0, 3.0, jnp.nan], [1.0, 3.0, 3.0, 9.0]])[:, :, None]
    assert choose(values) == 1
    assert choose(values, LEAST) == 0
    assert choose(jnp.full((2, 3, 1), jnp.nan)) == 0


def test_keys_are_averaged():
    values = jnp.array([[[0.0, 6.0], [4.0, 4.0]]])
    assert choose(values) == 1
    assert choose(values[..., 1:]) == 0


def test_one_standard_error_by_hand():
    offsets = np.array([-3.0, 0.0, 3.0])  # of the folds, the same for every setting: the standard error is sqrt(9 / 3)
    means = np.array([0.0, 10 - 1.75, 10 - 1.7, 10.0, 9.9])
    values = jnp.array(offsets[:, None, None] + means[None, :, None])
    assert choose(values, Choice(one_standard_error=True)) == 2
    assert choose(-values, Choice(greatest=False, one_standard_error=True)) == 2
    assert choose(values) == 3


def test_one_standard_error_prefers_the_stronger_penalty():
    hypers = grid(Hypers(), alpha=ALPHAS)
    best = grid_search(ridge, hypers, FOLDS, X, Y, metric=regression.r2)
    simplest = grid_search(ridge, hypers, FOLDS, X, Y, metric=regression.r2, choice=Choice(one_standard_error=True))
    assert simplest.hypers.alpha > best.hypers.alpha


def test_the_model_is_fitted_with_the_first_key():
    keys = jax.vmap(jax.random.key)(jnp.array([7, 8]))
    search = grid_search(guess, Hypers(2.0), FOLDS, X, Y, metric=regression.r2, keys=keys)
    expected = Y.mean() + 2 * jax.random.normal(jax.random.key(7))
    np.testing.assert_allclose(search.model, expected, rtol=1e-5)
    assert search.scores.test["score"].shape == (5, 1, 2)


def test_nested_search_as_in_scikit_learn():
    outer = partition(k_fold(120, 4, seed=1))
    inner = nested(outer, lambda rows: k_fold(len(rows), 3, seed=2))
    expected, chosen = [], []
    for fitted, tested, train, test in zip(*outer, *inner, strict=True):
        place = np.cumsum(fitted) - 1
        splits = [(place[rows], place[scored]) for rows, scored in pairs(train, test)]
        search = GridSearchCV(Ridge(), {"alpha": ALPHAS}, cv=splits)
        result = cross_validate(search, X, Y, cv=pairs(fitted[None], tested[None]), return_estimator=True)
        expected.append(result["test_score"][0])
        chosen.append(result["estimator"][0].best_params_["alpha"])
    with jax.enable_x64(True):
        hypers = grid(Hypers(), alpha=ALPHAS)
        scores = nested_cross_validate(ridge, hypers, (outer, inner), X, Y, metric=regression.r2)
        np.testing.assert_allclose(scores.test, expected, rtol=1e-9)
        np.testing.assert_allclose(scores.hypers.alpha, chosen, rtol=1e-12)
        np.testing.assert_allclose(ALPHAS[scores.best], chosen, rtol=1e-12)


def test_a_search_of_other_values_compiles_nothing_new():
    traces = []

    def fit(key, hypers, x, y, weight):
        traces.append(x)
        return ridge.fit(key, hypers, x, y, weight)

    counted = Estimator(fit, ridge.predict)
    for alphas in ([1.0, 2.0], [0.1, 0.2]):
        grid_search(counted, grid(Hypers(), alpha=alphas), FOLDS, X, Y, metric=regression.r2)
    assert len(traces) == 2  # in the folds, and of all rows
