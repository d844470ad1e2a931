"""Logistic regression beside scikit-learn's, its derivatives, weights, edges and learner."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import datasets
from sklearn.linear_model import LogisticRegression

from mlr_jax.classical.logistic import Hypers, LogisticModel, fit, logistic, logistic_learner, predict
from mlr_jax.core.scan import repeat

SETS = {
    "iris": datasets.load_iris, "wine": datasets.load_wine, "breast_cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
}  # fmt: skip
IRIS, SPECIES = datasets.load_iris(return_X_y=True)
compiled = jax.jit(fit, static_argnames=("num_classes", "fit_intercept", "max_iterations"))
of_iris = partial(compiled, num_classes=3)


def objective(line, x, y, weight, C):
    """The mean loss with its share of the penalty, by numpy; the line is coefficients [D, K] or [D, 1], intercept."""
    coefficients, intercept = (np.asarray(part, float) for part in line[:2])
    logits = x @ coefficients + intercept[None]
    logits = np.concatenate([0 * logits, logits], axis=1) if logits.shape[1] == 1 else logits
    losses = np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(y)), y]
    return np.average(losses, weights=weight) + np.sum(np.square(coefficients)) / (2 * C * weight.sum())


@pytest.mark.parametrize(
    ("name", "C"), [("iris", 2.0), ("wine", 0.02), ("breast_cancer", 0.02), ("breast_cancer", 2.0), ("digits", 0.1)]
)
def test_equals_scikit_learn_with_weights(name, C):
    x, y = SETS[name](return_X_y=True)
    x = x / 16 if name == "digits" else x
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    solver = "lbfgs" if name == "digits" else "newton-cholesky"  # which is slow there
    peer = LogisticRegression(C=C, solver=solver, tol=1e-9, max_iter=5000).fit(x, y, weight)
    with jax.enable_x64(True):
        model = compiled(Hypers(C, 1e-9), x, y, weight, num_classes=len(np.unique(y)))
        assert model.converged
        scale = np.abs(peer.coef_).max()
        np.testing.assert_allclose(model.coefficients.T, peer.coef_, rtol=1e-4, atol=1e-5 * scale)
        np.testing.assert_allclose(model.intercept, peer.intercept_, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(predict(model, x), peer.predict_proba(x), atol=1e-5)
        theirs = objective((peer.coef_.T, peer.intercept_), x, y, weight, C)
        assert objective(model, x, y, weight, C) <= theirs * (1 + 1e-5)
        np.testing.assert_allclose(model.objective, theirs, rtol=1e-6)


def test_equals_scikit_learn_without_intercept():
    peer = LogisticRegression(C=0.5, fit_intercept=False, tol=1e-10, max_iter=5000).fit(IRIS, SPECIES)
    with jax.enable_x64(True):
        model = of_iris(Hypers(0.5, 1e-9), IRIS, SPECIES, fit_intercept=False)
    np.testing.assert_allclose(model.coefficients.T, peer.coef_, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(model.intercept, 0.0)


@pytest.mark.parametrize("name", ["wine", "breast_cancer"])
def test_float32_on_raw_columns_of_very_different_scale(name):
    x, y = SETS[name](return_X_y=True)
    model = compiled(Hypers(1.0, 1e-4), x.astype(np.float32), y, num_classes=len(np.unique(y)))
    with jax.enable_x64(True):
        exact = compiled(Hypers(1.0, 1e-8), x, y, num_classes=len(np.unique(y)))
    assert model.converged
    assert model.coefficients.dtype == jnp.float32
    ours = objective(model, x, y, np.ones(len(y)), 1.0)
    assert ours <= float(exact.objective) * (1 + 2e-3) + 1e-5


def test_the_gradient_norm_is_that_of_the_objective_in_the_coordinates_of_x():
    with jax.enable_x64(True):
        model = of_iris(Hypers(1.0, 1e-3), IRIS, SPECIES)

        def value(coefficients, intercept):
            log_p = jax.nn.log_softmax(IRIS @ coefficients + intercept[None])
            return -jnp.mean(log_p[jnp.arange(150), SPECIES]) + jnp.sum(coefficients**2) / 300

        gradients = jax.grad(value, (0, 1))(model.coefficients, model.intercept)
        largest = max(np.abs(part).max() for part in gradients)
        np.testing.assert_allclose(model.gradient_norm, largest, rtol=1e-6)
        assert model.converged == (largest <= 1e-3)


def test_a_weight_is_a_repetition_and_zero_is_absence():
    counts = np.random.default_rng(0).integers(0, 3, 150)
    junk = np.where(counts[:, None] > 0, IRIS, np.nan)
    with jax.enable_x64(True):
        model = of_iris(Hypers(1.0, 1e-10), junk, np.where(counts > 0, SPECIES, 99), counts.astype(float))
        repeated = of_iris(Hypers(1.0, 1e-10), np.repeat(IRIS, counts, 0), np.repeat(SPECIES, counts))
    np.testing.assert_allclose(model.coefficients, repeated.coefficients, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(model.intercept, repeated.intercept, rtol=1e-6)


def test_a_vmap_over_C_within_one_over_folds_equals_solo_fits_in_any_order():
    C = jnp.array([3.0, 0.01, 0.2, 0.2, 100.0])
    weight = np.stack([np.arange(150) % 3 != fold for fold in range(2)]).astype(float)
    with jax.enable_x64(True):
        tolerance = 1e-10

        def member(C, weight):
            return fit(Hypers(C, tolerance), IRIS, SPECIES, weight, num_classes=3)

        models = jax.jit(jax.vmap(lambda weight: jax.vmap(lambda C: member(C, weight))(C)))(weight)
        flat = jax.jit(jax.vmap(member))(jnp.tile(C, 2), jnp.repeat(weight, 5, axis=0))
        for fold in range(2):
            for index in range(5):
                solo = of_iris(Hypers(C[index], tolerance), IRIS, SPECIES, weight[fold])
                for model in (jax.tree.map(lambda a, i=index, f=fold: a[f, i], models),
                              jax.tree.map(lambda a, i=5 * fold + index: a[i], flat)):  # fmt: skip
                    np.testing.assert_allclose(model.coefficients, solo.coefficients, rtol=1e-4, atol=1e-5)
                    assert model.converged


def test_new_hypers_trace_nothing_new():
    traces = []
    traced = jax.jit(lambda hypers: traces.append(0) or fit(hypers, IRIS, SPECIES, num_classes=3).objective)
    for C, tolerance in ((1.0, 1e-3), (0.5, 1e-3), (2.0, 1e-2)):
        traced(Hypers(C, tolerance))
    assert len(traces) == 1


def validation_loss(C, x, weight):
    model = fit(Hypers(C, 1e-11), x[::2], SPECIES[::2], weight, num_classes=3)
    return -jnp.mean(jnp.log(predict(model, x[1::2])[jnp.arange(75), SPECIES[1::2]]))


def test_gradients_through_the_fit_agree_with_finite_differences():
    with jax.enable_x64(True):
        weight, h = np.random.default_rng(0).uniform(0.5, 2, 75), 1e-5
        value, gradient = jax.jit(validation_loss), jax.jit(jax.grad(validation_loss, (0, 1, 2)))
        at = (0.7, jnp.asarray(IRIS), jnp.asarray(weight))
        of_C, of_x, of_weight = gradient(*at)
        np.testing.assert_allclose(of_C, (value(0.7 + h, *at[1:]) - value(0.7 - h, *at[1:])) / (2 * h), rtol=1e-5)
        for row, column in ((4, 2), (9, 0)):  # a row that is trained on and one that is not
            step = jnp.zeros_like(at[1]).at[row, column].set(h)
            slope = (value(0.7, at[1] + step, weight) - value(0.7, at[1] - step, weight)) / (2 * h)
            np.testing.assert_allclose(of_x[row, column], slope, rtol=1e-4, atol=1e-9)
        step = jnp.zeros(75).at[5].set(h)
        slope = (value(*at[:2], weight + step) - value(*at[:2], weight - step)) / (2 * h)
        np.testing.assert_allclose(of_weight[5], slope, rtol=1e-4, atol=1e-9)

        C = jnp.array([3.0, 0.7])
        both = jax.jit(jax.vmap(jax.grad(validation_loss), (0, None, None)))(C, *at[1:])
        np.testing.assert_allclose(both[1], of_C, rtol=1e-5)


def test_starts_from_another_model():
    with jax.enable_x64(True):
        first = of_iris(Hypers(1.0, 1e-8), IRIS, SPECIES)
        again = of_iris(Hypers(1.0, 1e-7), IRIS, SPECIES, initial=first)
        near = of_iris(Hypers(1.1, 1e-7), IRIS, SPECIES, initial=first)
        cold = of_iris(Hypers(1.1, 1e-7), IRIS, SPECIES)
    assert again.iterations == 1
    np.testing.assert_allclose(again.coefficients, first.coefficients, rtol=1e-9)
    assert near.iterations < cold.iterations
    np.testing.assert_allclose(near.coefficients, cold.coefficients, rtol=1e-3, atol=1e-4)


def test_one_class_constant_and_repeated_columns_and_more_columns_than_rows():
    x = np.concatenate([IRIS, IRIS[:, :1], np.full((150, 1), 7.0)], axis=1).astype(np.float32)
    alone = of_iris(Hypers(), x, np.ones(150, int))
    assert (np.argmax(predict(alone, x), axis=1) == 1).all()
    model = of_iris(Hypers(), x, SPECIES)
    np.testing.assert_allclose(model.coefficients[0], model.coefficients[4], atol=2e-3)
    np.testing.assert_allclose(model.coefficients[5], 0.0, atol=1e-3)
    few = of_iris(Hypers(), x[::40], SPECIES[::40])
    assert all(np.isfinite(leaf).all() for leaf in (*alone, *model, *few))
    assert few.converged
    one_column = of_iris(Hypers(), x[:, 2:3], SPECIES)
    assert np.mean(np.argmax(predict(one_column, x[:, 2:3]), axis=1) == SPECIES) > 0.9


def test_no_weight_at_all_gives_a_finite_model():
    model = of_iris(Hypers(), IRIS.astype(np.float32), SPECIES, np.zeros(150, np.float32))
    np.testing.assert_array_equal(model.coefficients, 0.0)


def test_separable_classes_without_a_penalty_stay_finite_and_say_that_they_have_not_converged():
    x, y = IRIS[:100].astype(np.float32), SPECIES[:100]
    model = compiled(Hypers(1e30, 0.0), x, y, num_classes=2, max_iterations=15)
    assert all(np.isfinite(leaf).all() for leaf in model)
    assert model.iterations == 15
    assert not model.converged
    assert (np.argmax(predict(model, x), axis=1) == y).all()


def test_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match="num_classes: got 1"):
        fit(Hypers(), IRIS, SPECIES, num_classes=1)
    with pytest.raises(ValueError, match="max_iterations: got 0"):
        logistic(3, max_iterations=0)
    with pytest.raises(ValueError, match="num_classes: got 1"):
        logistic_learner(4, 1)


def test_estimator_fits_and_names_classes():
    estimator = logistic(3)
    model = jax.jit(estimator.fit)(jax.random.key(0), Hypers(), IRIS.astype(np.float32), SPECIES, np.ones(150))
    assert isinstance(model, LogisticModel)
    assert np.mean(np.argmax(estimator.predict(model, IRIS), axis=1) == SPECIES) > 0.95


@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_learner_ends_where_the_fit_does(num_classes):
    x, y = IRIS[50 * (3 - num_classes) :].astype(np.float32), SPECIES[: 50 * num_classes]
    learner = logistic_learner(4, num_classes)
    state = learner.init(jax.random.key(0), Hypers(0.1))
    state, metrics = repeat(learner, 60)(state, {"x": x, "y": y})
    model = compiled(Hypers(0.1, 1e-6), x, y, num_classes=num_classes)
    np.testing.assert_allclose(metrics["objective"][-1], model.objective, rtol=1e-5)
    assert metrics["gradient_norm"][-1] < 1e-3
    values = learner.evaluate(state, {"x": x, "y": y})
    expected = -np.log(predict(model, x)[np.arange(len(y)), y])
    np.testing.assert_allclose(values["loss"], expected, atol=1e-2)
    assert np.mean(values["accuracy"]) > 0.9
