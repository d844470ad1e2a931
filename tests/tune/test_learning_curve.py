import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.model_selection import learning_curve as sk_learning_curve
from tune.tiny_estimators import Hypers, guess, ridge

from mlr_jax.core.types import Estimator
from mlr_jax.ops.metrics import regression
from mlr_jax.tune.folds import k_fold, partition
from mlr_jax.tune.layout import Layout
from mlr_jax.tune.learning_curve import first_rows, learning_curve

X, Y = load_diabetes(return_X_y=True)
X, Y = X[:120], Y[:120]
SIZES = [20, 40, 96]
FOLDS = partition(k_fold(120, 5, seed=0))
METRICS = {"r2": regression.r2}
keys = jax.vmap(jax.random.key)(jnp.arange(3))
seen = Estimator(lambda key, hypers, x, y, weight: weight, lambda model, x: model)
"""It tells which rows it was fitted to."""


def pairs():
    return [(np.flatnonzero(train), test) for train, test in zip(*FOLDS, strict=True)]


def test_the_curve_of_scikit_learn():
    _, train, test = sk_learning_curve(Ridge(0.1), X, Y, train_sizes=SIZES, cv=pairs(), scoring="r2")
    with jax.enable_x64(True):
        scores = learning_curve(ridge, Hypers(0.1), FOLDS, X, Y, sizes=SIZES, metrics=METRICS, shuffle=False)
        np.testing.assert_allclose(scores.test["r2"][:, :, 0], test.T, rtol=1e-9)
        np.testing.assert_allclose(scores.train["r2"][:, :, 0], train.T, rtol=1e-9)


def test_the_same_subsets_in_a_random_order():
    which = {"rows": lambda y, prediction, weight: prediction}
    rows = learning_curve(seen, Hypers(), FOLDS, X, Y, sizes=SIZES, metrics=which, keys=keys).test["rows"] > 0
    assert rows.shape == (5, 3, 3, 120)
    np.testing.assert_array_equal(rows.sum(axis=-1), np.broadcast_to(np.array(SIZES)[None, :, None], (5, 3, 3)))
    assert not np.any(rows & ~FOLDS.train[:, None, None])
    assert np.all(rows[:, 0] <= rows[:, 1])
    assert not np.array_equal(rows[:, 0, 0], rows[:, 0, 1])
    scores = learning_curve(ridge, Hypers(0.1), FOLDS, X, Y, sizes=SIZES, metrics=METRICS, keys=keys)
    chosen = np.asarray(rows[2, 1, 1])
    expected = Ridge(0.1).fit(X[chosen], Y[chosen])
    np.testing.assert_allclose(
        scores.test["r2"][2, 1, 1], expected.score(X[FOLDS.test[2]], Y[FOLDS.test[2]]), rtol=1e-3
    )
    np.testing.assert_allclose(scores.train["r2"][2, 1, 1], expected.score(X[chosen], Y[chosen]), rtol=1e-3)


def test_the_estimator_gets_the_key_too():
    values = learning_curve(
        guess, Hypers(1e6), FOLDS, X, Y, sizes=SIZES, metrics={"p": lambda y, p, w: p[0]}, keys=keys
    )
    draws = [float(jax.random.normal(key)) for key in keys]
    np.testing.assert_allclose(values.test["p"] / 1e6, np.broadcast_to(draws, (5, 3, 3)), atol=1e-3)


def test_rows_of_weight_0_are_not_counted():
    weight = np.random.default_rng(0).integers(0, 3, 120)
    junk = np.where(weight[:, None] > 0, X, np.nan)
    present = weight > 0
    among = partition(k_fold(120, 5, seed=0)[present])
    with jax.enable_x64(True):
        scores, expected = (
            learning_curve(ridge, Hypers(0.1), *rest, sizes=[20, 50], metrics=METRICS, weight=w, shuffle=False)
            for *rest, w in [(FOLDS, junk, Y, weight), (among, X[present], Y[present], weight[present])]
        )
        np.testing.assert_allclose(scores.test["r2"], expected.test["r2"], rtol=1e-9)


def test_the_first_rows_by_hand():
    present, order = jnp.array([True, False, True, True]), jnp.array([3, 1, 0, 2])
    np.testing.assert_array_equal(first_rows(present, 1, order), [False, False, False, True])
    np.testing.assert_array_equal(first_rows(present, 2, order), [True, False, False, True])
    np.testing.assert_array_equal(first_rows(present, 3, order), present)


def test_other_sizes_compile_nothing_new_and_layouts_agree():
    traces = []

    def fit(key, hypers, x, y, weight):
        traces.append(x)
        return ridge.fit(key, hypers, x, y, weight)

    counted = Estimator(fit, ridge.predict)
    curves = [
        learning_curve(counted, Hypers(), FOLDS, X, Y, sizes=sizes, metrics=METRICS) for sizes in ([9, 20, 33], SIZES)
    ]
    assert len(traces) == 1
    mapped = learning_curve(ridge, Hypers(), FOLDS, X, Y, sizes=SIZES, metrics=METRICS, layout=Layout(1, 1))
    np.testing.assert_allclose(mapped.test["r2"], curves[1].test["r2"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sizes", [[0, 10], [97]])
def test_sizes_are_checked(sizes):
    with pytest.raises(ValueError, match=r"sizes: got .*, allowed are 1 to the 96 rows that every fold fits"):
        learning_curve(ridge, Hypers(), FOLDS, X, Y, sizes=sizes, metrics=METRICS)
