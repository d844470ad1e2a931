"""Linear support vector machines beside scikit-learn's LinearSVC on real sets."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from mlr_jax.classical import linear_svm
from mlr_jax.classical.linear_svm import Hypers
from mlr_jax.core.scan import repeat

fit = jax.jit(linear_svm.fit, static_argnames=("num_classes", "tolerance", "max_iterations"))
SETS = {"iris": load_iris, "wine": load_wine, "breast cancer": load_breast_cancer}


def rows(name):
    x, y = SETS[name](return_X_y=True)
    return StandardScaler().fit_transform(x), y


def peer_of(C, scaling=1.0):
    return LinearSVC(C=C, intercept_scaling=scaling, dual=False, tol=1e-10, max_iter=20_000)


def signs(y, num_classes):
    classes = np.arange(num_classes) if num_classes > 2 else np.array([1])
    return np.where(y[:, None] == classes[None], 1.0, -1.0)


def objective(coefficients, intercept, x, y, C, *, weight=1.0, scaling=1.0):
    """Of each machine, in float64."""
    coefficients, intercept = (np.asarray(part, np.float64) for part in (coefficients, intercept))
    target = signs(y, coefficients.shape[1] if coefficients.shape[1] > 1 else 2)
    losses = np.maximum(0, 1 - target * (x @ coefficients + intercept)) ** 2
    penalty = (coefficients**2).sum(0) / 2 + (intercept / scaling) ** 2 / 2
    return penalty + C * (np.broadcast_to(weight, len(y)) @ losses)


@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("name", SETS)
def test_coefficients_are_those_of_scikit_learn(name, C):
    x, y = rows(name)
    num_classes = len(np.unique(y))
    peer = peer_of(C).fit(x, y)
    with jax.enable_x64(True):
        model = fit(Hypers(C), x, y, num_classes=num_classes)
        assert model.converged.all()
        scale = np.abs(peer.coef_).max()
        np.testing.assert_allclose(model.coefficients, peer.coef_.T, atol=1e-4 * scale)
        np.testing.assert_allclose(model.intercept, peer.intercept_, atol=1e-4 * max(scale, 1))
        ours = objective(model.coefficients, model.intercept, x, y, C)
        assert (ours <= objective(peer.coef_.T, peer.intercept_, x, y, C) * (1 + 1e-9)).all()
        found = np.argmax(linear_svm.predict(model, x), axis=1)
    np.testing.assert_array_equal(found, peer.predict(x))


@pytest.mark.parametrize("name", SETS)
def test_float32_reaches_the_same_objective(name):
    x, y = rows(name)
    num_classes = len(np.unique(y))
    model = fit(Hypers(1.0), x.astype(np.float32), y, num_classes=num_classes)
    with jax.enable_x64(True):
        exact = fit(Hypers(1.0), x, y, num_classes=num_classes)
    best = objective(exact.coefficients, exact.intercept, x, y, 1.0)
    np.testing.assert_allclose(objective(model.coefficients, model.intercept, x, y, 1.0), best, rtol=1e-6)
    np.testing.assert_allclose(model.coefficients, exact.coefficients, atol=1e-4)


def test_many_classes_and_columns_that_are_constant():
    x, y = load_digits(return_X_y=True)
    x, y = x[:500] / 16, y[:500]
    assert (x.std(axis=0) == 0).any()
    peer = peer_of(0.1).fit(x, y)
    with jax.enable_x64(True):
        model = fit(Hypers(0.1), x, y, num_classes=10)
        np.testing.assert_allclose(model.coefficients, peer.coef_.T, atol=1e-5)


def test_far_from_the_origin_float32_keeps_its_digits():
    x, y = rows("iris")
    settings = {"num_classes": 3}
    near = fit(Hypers(1.0, np.inf), x.astype(np.float32), y, **settings)
    far = fit(Hypers(1.0, np.inf), (x + 1000).astype(np.float32), y, **settings)
    np.testing.assert_allclose(far.coefficients, near.coefficients, atol=1e-2)


@pytest.mark.parametrize("scaling", [0.1, 10.0])
def test_the_intercept_is_penalised_as_in_liblinear(scaling):
    x, y = rows("breast cancer")
    x = x + 1.0
    peer = peer_of(0.1, scaling).fit(x, y)
    with jax.enable_x64(True):
        model = fit(Hypers(0.1, scaling), x, y, num_classes=2)
        np.testing.assert_allclose(model.coefficients[:, 0], peer.coef_[0], atol=1e-5)
        np.testing.assert_allclose(model.intercept, peer.intercept_, atol=1e-5)


def test_a_free_intercept_is_the_minimum_that_a_general_solver_finds():
    x, y = rows("iris")
    x = x[:, :2]

    def value(v):
        return objective(v[:2, None], v[2:], x, (y == 1).astype(int), 0.5, scaling=np.inf)[0]

    reference = minimize(value, np.zeros(3), method="BFGS", options={"gtol": 1e-6})
    with jax.enable_x64(True):
        model = fit(Hypers(0.5, np.inf), x, (y == 1).astype(int), num_classes=2)
    found = np.append(model.coefficients[:, 0], model.intercept)
    np.testing.assert_allclose(found, reference.x, atol=1e-5)


def test_weights_are_those_of_scikit_learn_and_zero_is_absent():
    x, y = rows("wine")
    weight = np.random.default_rng(0).choice([0.0, 0.5, 1.0, 3.0], len(y))
    kept = weight > 0
    peer = peer_of(0.3).fit(x[kept], y[kept], weight[kept])
    with jax.enable_x64(True):
        model = fit(Hypers(0.3), np.where(kept[:, None], x, np.nan), np.where(kept, y, 77), weight, num_classes=3)
        np.testing.assert_allclose(model.coefficients, peer.coef_.T, atol=1e-6)


def test_an_integer_weight_is_a_row_repeated():
    x, y = rows("iris")
    weight = np.random.default_rng(2).integers(0, 4, len(y))
    with jax.enable_x64(True):
        weighted = fit(Hypers(), x, y, weight, num_classes=3)
        repeated = fit(Hypers(), np.repeat(x, weight, 0), np.repeat(y, weight), num_classes=3)
        np.testing.assert_allclose(weighted.coefficients, repeated.coefficients, atol=1e-9)


def test_prices_side_by_side_are_each_alone_and_new_values_compile_nothing():
    x, y = rows("iris")
    x, traces = x.astype(np.float32), 0

    @jax.jit
    def sweep(hypers):
        nonlocal traces
        traces += 1
        return jax.vmap(lambda hypers: linear_svm.fit(hypers, x, y, num_classes=3))(hypers)

    prices = jnp.array([0.01, 1.0, 30.0])
    together = sweep(Hypers(prices, jnp.ones(3)))
    for index, C in enumerate(prices):
        alone = fit(Hypers(C, jnp.float32(1)), x, y, num_classes=3)
        np.testing.assert_allclose(together.coefficients[index], alone.coefficients, atol=1e-4)
        np.testing.assert_array_equal(together.iterations[index] > 1, alone.iterations > 1)
    sweep(Hypers(prices * 2, 5 * jnp.ones(3)))
    assert traces == 1


def test_the_derivative_of_a_fit_is_its_finite_difference():
    x, y = rows("iris")
    with jax.enable_x64(True):
        x = jnp.array(x)
        direction = jnp.array(np.random.default_rng(0).normal(size=x.shape))

        def value(t):
            model = linear_svm.fit(
                Hypers(0.3 + t, 2.0 - t), x + t * direction, y, 1 + t * jnp.arange(150), num_classes=3
            )
            return jnp.sum(model.coefficients**3) + jnp.sum(model.intercept)

        compiled, step = jax.jit(value), 1e-6
        slope = (compiled(step) - compiled(-step)) / (2 * step)
        np.testing.assert_allclose(jax.jit(jax.grad(value))(0.0), slope, rtol=1e-6)
        np.testing.assert_allclose(jax.jit(jax.jacfwd(value))(0.0), slope, rtol=1e-6)


def test_the_learner_arrives_where_the_fit_does():
    x, y = rows("wine")
    batch = {"x": x.astype(np.float32), "y": y.astype(np.int32)}
    learner = linear_svm.linear_svm_learner(num_features=13, num_classes=3)
    state = jax.jit(learner.init)(jax.random.key(0), Hypers(0.2))
    state, metrics = repeat(learner, 15)(state, batch)
    model = fit(Hypers(0.2), batch["x"], y, num_classes=3)
    np.testing.assert_allclose(state.coefficients, model.coefficients, atol=1e-4)
    np.testing.assert_allclose(state.intercept, model.intercept, atol=1e-4)
    np.testing.assert_allclose(
        metrics["objective"][-1], objective(model.coefficients, model.intercept, x, y, 0.2).sum(), rtol=1e-5
    )
    assert (np.diff(metrics["objective"]) <= 1e-4).all()
    values = learner.evaluate(state, batch)
    assert values["accuracy"].mean() > 0.98
    losses = (
        objective(model.coefficients, model.intercept, x, y, 1.0)
        - objective(model.coefficients, model.intercept, x, y, 0.0)
    ).sum()
    np.testing.assert_allclose(values["loss"].sum(), losses, rtol=1e-3)


TINY = np.array([[0.0], [1.0], [1.0], [2.0], [3.0], [3.0]])
LABELS = np.array([0, 0, 1, 0, 1, 1])


@pytest.mark.parametrize("C", [1e-6, 1.0, 1e4])
@pytest.mark.parametrize("columns", ["one", "constant"])
def test_one_feature_duplicate_rows_constant_columns_and_extreme_prices(columns, C):
    x = TINY if columns == "one" else np.hstack([TINY, np.full((6, 2), 5.0)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn may not converge
        peer = peer_of(C).fit(x, LABELS)
    with jax.enable_x64(True):
        model = fit(Hypers(C), x, LABELS, num_classes=2)
        assert model.converged.all()
        ours = objective(model.coefficients, model.intercept, x, LABELS, C)
        assert ours <= objective(peer.coef_.T, peer.intercept_, x, LABELS, C) * (1 + 1e-9)


def test_rows_of_one_class_are_all_given_to_it_and_no_rows_give_nothing():
    x, _ = rows("iris")
    model = fit(Hypers(), x.astype(np.float32), np.full(150, 2), num_classes=3)
    assert (np.argmax(linear_svm.predict(model, x), axis=1) == 2).all()
    assert model.converged.all()
    empty = fit(Hypers(), x.astype(np.float32), np.full(150, 2), np.zeros(150, np.float32), num_classes=3)
    assert (empty.coefficients == 0).all()
    assert (empty.intercept == 0).all()


def test_separable_rows_at_a_huge_price_with_a_free_intercept():
    x, y = rows("iris")
    model = fit(Hypers(1e5, np.inf), x.astype(np.float32), (y == 0).astype(int), num_classes=2)
    assert np.isfinite(model.coefficients).all()
    assert (np.argmax(linear_svm.predict(model, x), axis=1) == (y == 0)).all()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"num_classes": 1}, "num_classes: got 1, at least 2 are needed"),
        ({"num_classes": 2, "max_iterations": 0}, "max_iterations: got 0, at least 1 is needed"),
    ],
)
def test_impossible_settings_are_refused(keywords, message):
    with pytest.raises(ValueError, match=message):
        linear_svm.linear_svm(**keywords)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_estimator_fits_and_scores_each_class(num_classes):
    x, y = (part[: 50 * num_classes] for part in rows("iris"))
    estimator = linear_svm.linear_svm(num_classes=num_classes)
    model = jax.jit(estimator.fit)(jax.random.key(0), Hypers(), jnp.array(x), jnp.array(y), jnp.ones(len(y)))
    found = jax.jit(estimator.predict)(model, jnp.array(x))
    assert found.shape == (len(y), num_classes)
    assert np.mean(np.argmax(found, axis=1) == y) > 0.9
