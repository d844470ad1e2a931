from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA as Theirs

from mlr_jax.classical import pca
from mlr_jax.classical.pca import Hypers

SETS = {
    "iris": (load_iris().data, 3),
    "wine": (load_wine().data, 13),
    "breast cancer": (load_breast_cancer().data, 6),
    "diabetes": (load_diabetes().data, 8),
    "digits": (load_digits().data, 20),
    "more columns than rows": (load_digits().data[:40], 15),
}
every_set = pytest.mark.parametrize("name", SETS)
IRIS = SETS["iris"][0].astype(np.float32)

fit = jax.jit(pca.fit, static_argnames="num_components")
fit_randomized = jax.jit(pca.fit_randomized, static_argnames=("num_components", "oversamples", "power_iterations"))
transform = jax.jit(pca.transform, static_argnames="whiten")
inverse_transform = jax.jit(pca.inverse_transform, static_argnames="whiten")
score_samples = jax.jit(pca.score_samples)


def assert_models_close(first, second, **tolerance):
    jax.tree.map(partial(np.testing.assert_allclose, **tolerance), first, second)


@every_set
def test_it_is_what_scikit_learn_finds(name):
    x, num_components = SETS[name]
    theirs = Theirs(num_components, svd_solver="full").fit(x)
    with jax.enable_x64(True):
        model = fit(Hypers(), x, num_components=num_components)
        np.testing.assert_allclose(model.mean, theirs.mean_, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(model.components, theirs.components_, atol=1e-6)
        np.testing.assert_allclose(model.variance, theirs.explained_variance_, rtol=1e-6)
        np.testing.assert_allclose(model.ratio, theirs.explained_variance_ratio_, rtol=1e-6)
        np.testing.assert_allclose(model.noise, theirs.noise_variance_, rtol=1e-6, atol=1e-12)
        z, expected = transform(model, x), theirs.transform(x)
        np.testing.assert_allclose(z, expected, atol=1e-6 * np.abs(expected).max())
        whitened = transform(model, x, whiten=True)
        np.testing.assert_allclose(np.cov(whitened.T), np.eye(num_components), atol=1e-6)
        back = theirs.inverse_transform(expected)
        np.testing.assert_allclose(inverse_transform(model, z), back, atol=1e-6 * np.abs(x).max())
        back_again = inverse_transform(model, whitened, whiten=True)
        np.testing.assert_allclose(back_again, back, atol=1e-6 * np.abs(x).max())
        if model.noise > 0 and name != "breast cancer":  # whose precision matrix has a condition of 1e9
            np.testing.assert_allclose(score_samples(model, x), theirs.score_samples(x), rtol=1e-6)


@every_set
def test_randomized_is_near_exact(name):
    x, num_components = SETS[name]
    with jax.enable_x64(True):
        exact = fit(Hypers(), x, num_components=num_components)
        near = fit_randomized(Hypers(), x, key=jax.random.key(0), num_components=num_components)
    np.testing.assert_allclose(near.variance, exact.variance, rtol=1e-3)
    np.testing.assert_allclose(near.ratio, exact.ratio, rtol=1e-3)
    np.testing.assert_allclose(near.noise, exact.noise, rtol=2e-2, atol=1e-9)
    np.testing.assert_allclose(near.components[:3], exact.components[:3], atol=1e-3)


def test_power_iterations_bring_randomized_nearer():
    x = SETS["digits"][0].astype(np.float32)
    exact = fit(Hypers(), x, num_components=20)
    lost = []
    for power_iterations in (0, 1, 4):
        run = partial(fit_randomized, oversamples=2, num_components=20, power_iterations=power_iterations)
        lost.append(1 - run(Hypers(), x, key=jax.random.key(1)).variance.sum() / exact.variance.sum())
    assert lost[0] > 2 * lost[1] > 10 * lost[2]
    assert lost[2] > -1e-5


def test_the_density_is_that_of_the_normal_distribution_that_it_names():
    model = fit(Hypers(), IRIS, num_components=2)
    components, variance, noise = (np.float64(leaf) for leaf in (model.components, model.variance, model.noise))
    covariance = components.T @ np.diag(variance - noise) @ components + noise * np.eye(4)
    expected = multivariate_normal(model.mean, covariance).logpdf(IRIS)
    np.testing.assert_allclose(score_samples(model, IRIS), expected, rtol=1e-4)
    whole = fit(Hypers(), IRIS, num_components=4)
    expected = multivariate_normal(model.mean, np.cov(IRIS.T)).logpdf(IRIS)
    np.testing.assert_allclose(score_samples(whole, IRIS), expected, rtol=1e-4)


@pytest.mark.parametrize("rows", [150, 6])
def test_a_whole_weight_is_a_row_repeated_and_weight_0_a_row_that_is_not_there(rows):
    x = np.concatenate([IRIS, IRIS[:, ::-1] ** 2], axis=1)[:: 150 // rows]
    count = np.random.default_rng(1).integers(0, 4, rows)
    junk = np.where(count[:, None] > 0, x, np.nan)
    repeated = np.repeat(x, count, axis=0)
    for run in (fit, partial(fit_randomized, key=jax.random.key(0))):
        with jax.enable_x64(True):
            models = [
                run(Hypers(), junk.astype(float), count, num_components=2),
                run(Hypers(), repeated.astype(float), num_components=2),
            ]
        assert_models_close(*models, rtol=1e-5, atol=1e-6)


def test_members_of_a_vmap_equal_their_solo_runs():
    weights = np.random.default_rng(2).integers(0, 3, (3, 150)).astype(np.float32)
    models = jax.jit(jax.vmap(lambda w: pca.fit(Hypers(), IRIS, w, num_components=2)))(weights)
    for i in range(3):
        solo = fit(Hypers(), IRIS, weights[i], num_components=2)
        assert_models_close(jax.tree.map(lambda leaf, i=i: leaf[i], models), solo, rtol=1e-4, atol=1e-5)


def test_a_mean_far_from_zero_costs_no_digits_in_float32():
    shifted = IRIS + np.float32(2048)
    expected = Theirs(3).fit(shifted.astype(float))
    for model in (
        fit(Hypers(), shifted, num_components=3),
        fit_randomized(Hypers(), shifted, key=jax.random.key(0), num_components=3),
    ):
        np.testing.assert_allclose(model.variance, expected.explained_variance_, rtol=1e-4)
        np.testing.assert_allclose(model.components, expected.components_, atol=1e-3)
        z = transform(model, shifted)
        np.testing.assert_allclose(z, expected.transform(shifted.astype(float)), atol=2e-2)


def test_constant_columns_one_column_and_one_row():
    constant = np.concatenate([IRIS, np.full((150, 1), 7.0, np.float32)], axis=1)
    model = fit(Hypers(), constant, num_components=5)
    np.testing.assert_allclose(model.variance[4], 0, atol=1e-6)
    np.testing.assert_allclose(np.abs(model.components[:, 4]), [0, 0, 0, 0, 1], atol=1e-4)
    assert np.isfinite(transform(model, constant, whiten=True)).all()
    one = fit(Hypers(), IRIS[:, :1], num_components=1)
    np.testing.assert_allclose(one.components, [[1.0]])
    np.testing.assert_allclose(one.variance, [IRIS[:, 0].var(ddof=1)], rtol=1e-5)
    row = fit(Hypers(), IRIS[:1], num_components=1)
    np.testing.assert_allclose(row.mean, IRIS[0])
    np.testing.assert_allclose(row.variance, [0.0], atol=1e-12)


def test_variances_have_their_gradient():
    """d lambda_j / d x_n = 2 (u_j · (x_n - mean)) u_j / (N - 1)."""
    model = fit(Hypers(), IRIS, num_components=2)
    gradient = jax.jit(jax.grad(lambda x: pca.fit(Hypers(), x, num_components=2).variance[1]))(IRIS)
    expected = 2 * transform(model, IRIS)[:, 1:] * model.components[1][None] / 149
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_the_learner_has_the_components_of_all_rows_given_so_far():
    learner = pca.pca_learner(num_features=4, num_components=2)
    state, step = learner.init(jax.random.key(0), Hypers()), jax.jit(learner.step)
    for start in range(0, 150, 50):
        state, metrics = step(state, {"x": IRIS[start : start + 50]})
        seen = IRIS[: start + 50]
        model = pca.principal_components(state, 2)
        assert_models_close(model, fit(Hypers(), seen, num_components=2), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(metrics["variance"], seen.var(axis=0, ddof=1).sum(), rtol=1e-5)
        assert metrics["rows"] == start + 50
    back = inverse_transform(model, transform(model, IRIS))
    errors = learner.evaluate(state, {"x": IRIS})["squared_error"]
    np.testing.assert_allclose(errors, np.sum((IRIS - back) ** 2, axis=1), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(errors.sum(), 149 * model.noise * 2, rtol=1e-3)


def test_the_estimator_scores_held_out_rows():
    estimator = pca.pca(num_components=2)
    model = estimator.fit(jax.random.key(0), Hypers(), IRIS[::2], None, jnp.ones(75))
    expected = Theirs(2).fit(IRIS[::2].astype(float)).score_samples(IRIS[1::2].astype(float))
    np.testing.assert_allclose(estimator.predict(model, IRIS[1::2]), expected, rtol=1e-3)


@pytest.mark.parametrize(("num_components", "rows"), [(0, 150), (5, 150), (4, 3)])
def test_bad_numbers_of_components_are_refused(num_components, rows):
    message = f"num_components: got {num_components}, allowed are 1 to {min(rows, 4)}"
    for run in (fit, partial(fit_randomized, key=jax.random.key(0))):
        with pytest.raises(ValueError, match=message):
            run(Hypers(), IRIS[:rows], num_components=num_components)
