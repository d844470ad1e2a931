"""Support vector machines beside scikit-learn's on real sets."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mlr_jax.classical import kernel_svm
from mlr_jax.classical.kernel_svm import Hypers, decision_values
from mlr_jax.classical.kernel_svm import kernel_svm as estimator
from mlr_jax.ops.kernels import linear, polynomial, rbf

fit = jax.jit(
    kernel_svm.fit,
    static_argnames=(
        "num_classes",
        "kernel",
        "relative_gamma",
        "tolerance",
        "working_set",
        "block_size",
        "max_iterations",
    ),
)
decide = jax.jit(decision_values, static_argnames=("kernel", "block_size"))
KERNELS = {
    "rbf": (rbf(), {"kernel": "rbf"}),
    "poly": (polynomial(3), {"kernel": "poly", "degree": 3, "coef0": 1.0}),
    "linear": (linear(), {"kernel": "linear"}),
}


def standardised(load):
    x, y = load(return_X_y=True)
    return StandardScaler().fit_transform(x), y


SETS = {
    "iris": lambda: standardised(load_iris),
    "wine": lambda: standardised(load_wine),
    "breast cancer": lambda: standardised(load_breast_cancer),
    "digits": lambda: tuple(part[:450] for part in load_digits(n_class=4, return_X_y=True)),
}


def objectives(kernel_matrix, coefficients, y, pairs):
    """The dual objective of each machine: coefficients [N, P]."""
    for (first, second), beta in zip(pairs, coefficients.T, strict=True):
        label = np.where(y == first, 1.0, np.where(y == second, -1.0, 0.0))
        yield 0.5 * beta @ kernel_matrix @ beta - label @ beta


def coefficients_of(peer, y, pairs):
    """libsvm's coefficients as ours: [N, P], positive for the first class of a pair."""
    dense = np.zeros((len(peer.classes_) - 1, len(y)))
    dense[:, peer.support_] = peer.dual_coef_
    columns = []
    for first, second in pairs:
        of_first, of_second = dense[second - 1] * (y == first), dense[first] * (y == second)
        columns.append((of_first + of_second) * (-1 if len(pairs) == 1 else 1))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", SETS)
def test_decision_values_and_objective_are_those_of_libsvm(name, kernel):
    x, y = SETS[name]()
    num_classes = int(y.max()) + 1
    ours, keywords = KERNELS[kernel]
    peer = SVC(tol=1e-6, decision_function_shape="ovo", **keywords).fit(x, y)
    with jax.enable_x64(True):
        model = fit(Hypers(coef0=1.0), x, y, num_classes=num_classes, kernel=ours, tolerance=1e-6)
        assert model.converged.all()
        values = np.asarray(decide(model, x, kernel=ours, block_size=128))
        kernel_matrix = np.asarray(kernel_svm.gram(ours, model.x, model.x, model.gamma, model.coef0))
    expected = peer.decision_function(x).reshape(len(x), -1) * (-1 if num_classes == 2 else 1)
    np.testing.assert_allclose(values, expected, atol=1e-4)
    pairs = np.asarray(kernel_svm.pairs_of(num_classes))
    found, best = (
        np.array(list(objectives(kernel_matrix, coefficients, y, pairs)))
        for coefficients in (np.asarray(model.coefficients), coefficients_of(peer, y, pairs))
    )
    assert (found <= best + 1e-8 * np.abs(best)).all()
    winners = np.argmax(kernel_svm.votes(jnp.array(values), num_classes), axis=1)
    np.testing.assert_array_equal(winners, peer.predict(x))


@pytest.mark.parametrize("kernel", KERNELS)
def test_in_float32_at_the_usual_tolerance_the_classes_are_the_same(kernel):
    x, y = SETS["wine"]()
    ours, keywords = KERNELS[kernel]
    peer = SVC(**keywords).fit(x, y)
    model = fit(Hypers(coef0=1.0), x.astype(np.float32), y, num_classes=3, kernel=ours)
    values = decide(model, x.astype(np.float32), kernel=ours)
    np.testing.assert_allclose(kernel_svm.scores(values, 3), peer.decision_function(x), atol=1e-2)
    np.testing.assert_array_equal(np.argmax(kernel_svm.votes(values, 3), axis=1), peer.predict(x))


def assert_margins_hold(model, x, y, *, weight, C, kernel, tolerance):
    """The optimality conditions of two classes, from the decision values alone."""
    label = np.where(y == 0, 1.0, -1.0)
    margin = label * np.asarray(decide(model, x, kernel=kernel))[:, 0]
    price = np.asarray(model.coefficients)[:, 0] * label
    bound = C * weight
    assert (price >= 0).all()
    assert (price <= bound * (1 + 1e-12)).all()
    assert (margin[(price == 0) & (weight > 0)] >= 1 - tolerance).all()
    assert (margin[(price == bound) & (weight > 0)] <= 1 + tolerance).all()
    inside = (price > 0) & (price < bound)
    np.testing.assert_allclose(margin[inside], 1, atol=tolerance)


@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("kernel", KERNELS)
def test_every_margin_is_what_the_price_of_its_row_says(kernel, C):
    x, y = SETS["breast cancer"]()
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    with jax.enable_x64(True):
        model = fit(Hypers(C, coef0=1.0), x, y, weight, num_classes=2, kernel=KERNELS[kernel][0])
        assert_margins_hold(model, x, y, weight=weight, C=C, kernel=KERNELS[kernel][0], tolerance=2e-3)


@pytest.mark.parametrize("name", ["iris", "breast cancer"])
def test_weights_are_those_of_scikit_learn_and_zero_is_absent(name):
    x, y = SETS[name]()
    num_classes = int(y.max()) + 1
    weight = np.random.default_rng(1).choice([0.0, 0.5, 1.0, 3.0], len(y))
    kept = weight > 0
    gamma = float(kernel_svm.scaled_gamma(x))
    peer = SVC(tol=1e-7, gamma=gamma, decision_function_shape="ovo").fit(x[kept], y[kept], weight[kept])
    expected = peer.decision_function(x).reshape(len(x), -1) * (-1 if num_classes == 2 else 1)
    junk = np.where(kept[:, None], x, np.nan)
    with jax.enable_x64(True):
        settings = {"num_classes": num_classes, "kernel": rbf(), "tolerance": 1e-7, "relative_gamma": False}
        model = fit(Hypers(gamma=gamma), junk, y, weight, **settings)
        np.testing.assert_allclose(decide(model, x, kernel=rbf()), expected, atol=1e-5)
        assert (model.coefficients[~kept] == 0).all()


def test_an_integer_weight_is_a_row_repeated():
    x, y = SETS["iris"]()
    weight = np.random.default_rng(2).integers(0, 4, len(y))
    with jax.enable_x64(True):
        settings = {"num_classes": 3, "kernel": rbf(), "tolerance": 1e-9}
        models = (
            fit(Hypers(), x, y, weight, **settings),
            fit(Hypers(), np.repeat(x, weight, 0), np.repeat(y, weight), **settings),
        )
        np.testing.assert_allclose(models[0].gamma, models[1].gamma, rtol=1e-12)
        values = [decide(model, x, kernel=rbf()) for model in models]
        np.testing.assert_allclose(*values, atol=1e-7)


def test_the_unit_of_gamma_is_that_of_scikit_learn():
    x, y = load_wine(return_X_y=True)
    np.testing.assert_allclose(kernel_svm.scaled_gamma(x), SVC(gamma="scale").fit(x, y)._gamma, rtol=1e-5)
    weight = np.arange(len(x)) % 3
    repeated = np.repeat(x, weight, axis=0)
    np.testing.assert_allclose(kernel_svm.scaled_gamma(x, weight), 1 / (13 * repeated.var()), rtol=1e-5)
    assert kernel_svm.scaled_gamma(np.ones((4, 2))) == 1


def test_settings_side_by_side_are_each_alone_and_new_values_compile_nothing():
    x, y = (part.astype(np.float32) for part in SETS["iris"]())
    y = y.astype(np.int32)
    traces = 0

    @jax.jit
    def sweep(hypers):
        nonlocal traces
        traces += 1
        return jax.vmap(lambda hypers: kernel_svm.fit(hypers, x, y, num_classes=3, kernel=rbf(), tolerance=1e-5))(
            hypers
        )

    prices, gammas = jnp.array([0.1, 1.0, 50.0]), jnp.array([0.5, 1.0, 2.0])
    together = sweep(Hypers(prices, gammas, jnp.zeros(3)))
    for index in range(3):
        alone = fit(Hypers(prices[index], gammas[index]), x, y, num_classes=3, kernel=rbf(), tolerance=1e-5)
        member = jax.tree.map(lambda leaf, index=index: leaf[index], together)
        np.testing.assert_allclose(decide(member, x, kernel=rbf()), decide(alone, x, kernel=rbf()), atol=1e-3)
    sweep(Hypers(prices * 2, gammas / 2, jnp.ones(3)))
    assert traces == 1


def test_memory_is_linear_in_the_rows_of_training_and_of_queries():
    def fit_bytes(rows):
        shapes = jax.ShapeDtypeStruct((rows, 8), jnp.float32), jax.ShapeDtypeStruct((rows,), jnp.int32)
        return fit.lower(Hypers(), *shapes, num_classes=3, kernel=rbf()).compile().memory_analysis().temp_size_in_bytes

    def decide_bytes(rows):
        shape = jax.ShapeDtypeStruct((rows, 8), jnp.float32)
        model = jax.eval_shape(
            partial(kernel_svm.fit, num_classes=3, kernel=rbf()),
            Hypers(),
            shape,
            jax.ShapeDtypeStruct((rows,), jnp.int32),
        )
        return decide.lower(model, shape, kernel=rbf()).compile().memory_analysis().temp_size_in_bytes

    for temporary_bytes in (fit_bytes, decide_bytes):
        small, large = temporary_bytes(50_000), temporary_bytes(200_000)
        assert small < 4 * 50_000**2 / 200
        assert large < 4.1 * small


@pytest.mark.parametrize("kernel", KERNELS)
def test_decision_values_are_differentiable_in_the_query(kernel):
    x, y = SETS["wine"]()
    ours = KERNELS[kernel][0]
    with jax.enable_x64(True):
        model = fit(Hypers(coef0=1.0), x, y, num_classes=3, kernel=ours)
        value = jax.jit(lambda query: decision_values(model, query[None], kernel=ours)[0, 1])
        direction = jnp.array(np.random.default_rng(0).normal(size=x.shape[1]))
        slope = (value(x[0] + 1e-6 * direction) - value(x[0] - 1e-6 * direction)) / 2e-6
        np.testing.assert_allclose(jax.jit(jax.grad(value))(jnp.array(x[0])) @ direction, slope, rtol=1e-6)


TINY = np.array([[0.0], [1.0], [1.0], [2.0], [3.0], [3.0]])
LABELS = np.array([0, 0, 1, 0, 1, 1])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("C", [1e-6, 1.0, 1e4])
@pytest.mark.parametrize("columns", ["one", "constant"])
def test_one_feature_duplicate_rows_constant_columns_and_extreme_prices(columns, C, kernel):
    x = TINY if columns == "one" else np.hstack([TINY, np.full((6, 2), 5.0)])
    ours, keywords = KERNELS[kernel]
    peer = SVC(C=C, gamma=0.5, tol=1e-6, **keywords).fit(x, LABELS)
    with jax.enable_x64(True):
        settings = {"relative_gamma": False, "tolerance": 1e-9}
        model = fit(Hypers(C, 0.5, 1.0), x, LABELS, num_classes=2, kernel=ours, **settings)
        assert model.converged.all()
        np.testing.assert_allclose(-decide(model, x, kernel=ours)[:, 0], peer.decision_function(x), atol=1e-4)


def test_a_huge_gamma_sees_each_row_alone():
    x, y = SETS["iris"]()
    peer = SVC(gamma=1e6, tol=1e-8, decision_function_shape="ovo").fit(x, y)
    with jax.enable_x64(True):
        model = fit(Hypers(gamma=1e6), x, y, num_classes=3, kernel=rbf(), relative_gamma=False, tolerance=1e-8)
        np.testing.assert_allclose(decide(model, x, kernel=rbf()), peer.decision_function(x), atol=1e-6)


def test_a_price_too_high_for_float32_still_ends():
    x, y = SETS["breast cancer"]()
    model = fit(Hypers(1e6), x.astype(np.float32), y, num_classes=2, kernel=rbf(), max_iterations=50)
    assert np.isfinite(model.coefficients).all()
    assert np.mean((decide(model, x.astype(np.float32), kernel=rbf())[:, 0] < 0) == y) > 0.99


def test_classes_without_rows_are_never_chosen():
    x, y = SETS["iris"]()
    settings = {"num_classes": 5, "kernel": rbf()}
    model = fit(Hypers(), x.astype(np.float32), np.where(y == 2, 4, y), **settings)  # 2 and 3 have none
    winners = np.argmax(kernel_svm.scores(decide(model, x.astype(np.float32), kernel=rbf()), 5), axis=1)
    assert set(winners.tolist()) <= {0, 1, 4}
    only = fit(Hypers(), x.astype(np.float32), np.full(len(y), 3), **settings)
    values = np.asarray(decide(only, x.astype(np.float32), kernel=rbf()))
    sign = {(0, 3): -1, (1, 3): -1, (2, 3): -1, (3, 4): 1}
    expected = [sign.get(tuple(pair), 0) for pair in np.asarray(kernel_svm.pairs_of(5)).tolist()]
    np.testing.assert_array_equal(values, np.tile(expected, (len(y), 1)))
    assert (np.argmax(kernel_svm.scores(jnp.array(values), 5), axis=1) == 3).all()
    assert only.converged.all()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"num_classes": 1}, "num_classes: got 1, at least 2 is needed"),
        ({"working_set": 3}, "working_set: got 3, at least 4 is needed"),
        ({"block_size": 0}, "block_size: got 0, at least 1 is needed"),
        ({"max_iterations": 0}, "max_iterations: got 0, at least 1 is needed"),
    ],
)
def test_impossible_settings_are_refused(keywords, message):
    with pytest.raises(ValueError, match=message):
        kernel_svm.fit(Hypers(), jnp.ones((4, 2)), jnp.zeros(4, int), **{"num_classes": 2, "kernel": rbf(), **keywords})


@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_estimator_fits_and_scores_each_class(num_classes):
    x, y = (part[: 50 * num_classes] for part in SETS["iris"]())
    svm = estimator(num_classes=num_classes)
    model = jax.jit(svm.fit)(jax.random.key(0), Hypers(), jnp.array(x), jnp.array(y), jnp.ones(len(y)))
    found = jax.jit(svm.predict)(model, jnp.array(x))
    assert found.shape == (len(y), num_classes)
    assert np.mean(np.argmax(found, axis=1) == y) > 0.95
