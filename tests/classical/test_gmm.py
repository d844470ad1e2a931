from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.mixture import GaussianMixture

from mlr_jax.classical import gmm, kmeans
from mlr_jax.classical.gmm import Hypers
from mlr_jax.classical.gmm_components import from_responsibilities
from mlr_jax.classical.kmeans_init import k_means_plus_plus

SETS = {
    "iris": (load_iris().data, 3),
    "wine": (load_wine().data, 2),
    "breast cancer": (load_breast_cancer().data[:, :8], 4),
}
IRIS = SETS["iris"][0].astype(np.float32)
every_set = pytest.mark.parametrize("name", SETS)
full_and_diagonal = pytest.mark.parametrize("diagonal", [False, True], ids=["full", "diagonal"])

fit = jax.jit(gmm.fit, static_argnames=("num_components", "diagonal", "restarts", "max_iterations"))
em = jax.jit(gmm.em, static_argnames=("diagonal", "max_iterations"))
score_samples, predict_proba, predict, bic, aic = (
    jax.jit(function) for function in (gmm.score_samples, gmm.predict_proba, gmm.predict, gmm.bic, gmm.aic)
)


def responsibilities_of(rows, num_components, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(num_components, 0.3), rows)


def scikit_learn_from(x, responsibilities, diagonal, **keywords):
    """scikit-learn's mixture, begun with an M-step of these responsibilities."""
    mixture = GaussianMixture(responsibilities.shape[1], covariance_type="diag" if diagonal else "full", **keywords)
    mixture._initialize_parameters = lambda X, random_state, xp=None: mixture._initialize(X, responsibilities)
    return quietly(mixture.fit, x)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def quietly(function, *arguments):
    return function(*arguments)


def assert_close(first, second, **tolerance):
    jax.tree.map(partial(np.testing.assert_allclose, **tolerance), first, second)


def by_scipy(components, x):
    """log p(x) [N] and responsibilities [N, K] of full components."""
    weights, means, covariances, _ = (np.float64(leaf) for leaf in components)
    joint = np.stack(
        [w * multivariate_normal(m, c).pdf(x) for w, m, c in zip(weights, means, covariances, strict=True)], axis=1
    )
    return np.log(joint.sum(1)), joint / joint.sum(1, keepdims=True)


@full_and_diagonal
@every_set
def test_from_the_same_responsibilities_it_goes_where_scikit_learn_goes(name, diagonal):
    x, num_components = SETS[name]
    start = responsibilities_of(len(x), num_components)
    theirs = scikit_learn_from(x, start, diagonal, tol=1e-4, max_iter=200)
    with jax.enable_x64(True):
        ours = em(Hypers(1e-6, 1e-4), x, start, diagonal=diagonal, max_iterations=200)
        components = ours.components
        np.testing.assert_allclose(components.weights, theirs.weights_, rtol=1e-6)
        np.testing.assert_allclose(components.means, theirs.means_, rtol=1e-6)
        np.testing.assert_allclose(components.covariances, theirs.covariances_, rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(ours.log_likelihood, theirs.lower_bound_, rtol=1e-9)
        np.testing.assert_allclose(score_samples(ours, x), theirs.score_samples(x), rtol=1e-6)
        np.testing.assert_allclose(predict_proba(ours, x), theirs.predict_proba(x), atol=1e-5)
        np.testing.assert_array_equal(predict(ours, x), theirs.predict(x))
        np.testing.assert_allclose(bic(ours, x), theirs.bic(x), rtol=1e-8)
        np.testing.assert_allclose(aic(ours, x), theirs.aic(x), rtol=1e-8)
    assert (ours.iterations, ours.converged) == (theirs.n_iter_, theirs.converged_)


@full_and_diagonal
def test_float32_finds_what_float64_finds_however_far_the_data_is_from_zero(diagonal):
    start = responsibilities_of(150, 3)
    with jax.enable_x64(True):
        exact = em(Hypers(1e-4, 0.0), IRIS.astype(float), start, diagonal=diagonal, max_iterations=40)
    for offset in (0.0, 512.0):
        near = em(Hypers(1e-4, 0.0), IRIS + np.float32(offset), start, diagonal=diagonal, max_iterations=40)
        np.testing.assert_allclose(near.log_likelihood, exact.log_likelihood, atol=2e-4)
        np.testing.assert_allclose(near.components.covariances, exact.components.covariances, rtol=0.02, atol=1e-3)
        np.testing.assert_allclose(near.components.means - offset, exact.components.means, atol=1e-2)


@pytest.mark.parametrize("name", ["iris", "wine"])
def test_the_best_of_restarts_is_as_likely_as_scikit_learns(name):
    x, num_components = SETS[name]
    x = (x - x.mean(0)) / x.std(0)
    with jax.enable_x64(True):
        run = partial(fit, Hypers(), x, num_components=num_components, restarts=5)
        ours = [float(run(key=jax.random.key(seed)).log_likelihood) for seed in range(4)]
    theirs = [GaussianMixture(num_components, random_state=seed).fit(x).lower_bound_ for seed in range(20)]
    assert max(ours) >= max(theirs) - 1e-5 * abs(max(theirs))
    assert min(ours) >= np.mean(theirs)


def test_restarts_keep_the_likeliest():
    x = SETS["breast cancer"][0].astype(np.float32)
    x = (x - x.mean(0)) / x.std(0)
    run = partial(fit, Hypers(1e-3), x, num_components=4)
    cluster = jax.jit(lambda key: kmeans.predict(kmeans.fit(kmeans.Hypers(), x, key=key, num_clusters=4), x))
    starts = [jax.nn.one_hot(cluster(key), 4) for key in jax.random.split(jax.random.key(3), 6)]
    alone = [float(em(Hypers(1e-3), x, start).log_likelihood) for start in starts]
    assert max(alone) > min(alone) + 1e-3
    np.testing.assert_allclose(run(key=jax.random.key(3), restarts=6).log_likelihood, max(alone), rtol=1e-4)


def test_densities_and_responsibilities_are_bayes_rule():
    model = fit(Hypers(), IRIS, key=jax.random.key(0), num_components=3)
    log_prob, responsibilities = by_scipy(model.components, IRIS)
    np.testing.assert_allclose(score_samples(model, IRIS), log_prob, atol=2e-3)
    np.testing.assert_allclose(predict_proba(model, IRIS), responsibilities, atol=2e-3)
    np.testing.assert_array_equal(predict(model, IRIS), responsibilities.argmax(1))


@full_and_diagonal
def test_no_step_lowers_the_likelihood(diagonal):
    start = responsibilities_of(150, 3, seed=1)
    with jax.enable_x64(True):
        run = jax.jit(partial(gmm.em, diagonal=diagonal, max_iterations=1))
        responsibilities, likelihoods = start, []
        for _ in range(15):
            model = run(Hypers(0.0), IRIS.astype(float), responsibilities)
            likelihoods.append(float(model.log_likelihood))
            responsibilities = predict_proba(model, IRIS.astype(float))
    assert np.all(np.diff(likelihoods) > -1e-10)
    assert likelihoods[-1] > likelihoods[0] + 0.5


@full_and_diagonal
def test_a_whole_weight_is_a_row_repeated_and_weight_0_a_row_that_is_not_there(diagonal):
    x = SETS["iris"][0]
    count = np.random.default_rng(5).multinomial(150, np.full(150, 1 / 150))
    junk, repeated = np.where(count[:, None] > 0, x, np.nan), np.repeat(x, count, axis=0)
    with jax.enable_x64(True):
        run = partial(fit, Hypers(1e-4), key=jax.random.key(0), num_components=3, diagonal=diagonal)
        weighted, plain = run(junk, count), run(repeated, np.ones(150, int))
        assert_close(weighted, plain, rtol=1e-8, atol=1e-10)
        for criterion in (bic, aic):
            np.testing.assert_allclose(criterion(weighted, junk, count), criterion(plain, repeated), rtol=1e-10)


def test_members_of_a_vmap_equal_their_solo_runs_and_new_values_compile_nothing_new():
    hypers = Hypers(jnp.array([1e-6, 1e-2, 1.0]), jnp.array([1e-3, 1e-5, 1e-1]))
    keys = jax.vmap(jax.random.key)(jnp.arange(3))
    many = jax.jit(jax.vmap(lambda h, key: gmm.fit(h, IRIS, key=key, num_components=2)))(hypers, keys)
    run = jax.jit(partial(gmm.fit, num_components=2))
    for i in range(3):
        solo = run(jax.tree.map(lambda leaf, i=i: leaf[i], hypers), IRIS, key=keys[i])
        assert_close(jax.tree.map(lambda leaf, i=i: leaf[i], many), solo, rtol=1e-3, atol=1e-4)
    assert run._cache_size() == 1
    assert len(np.unique(many.iterations)) > 1


@full_and_diagonal
def test_samples_have_the_moments_of_the_mixture(diagonal):
    model = fit(Hypers(), IRIS, key=jax.random.key(0), num_components=3, diagonal=diagonal)
    rows, labels = jax.jit(partial(gmm.sample, num_rows=50_000))(model, jax.random.key(1))
    weights, means, covariances, _ = model.components
    np.testing.assert_allclose(np.bincount(labels) / 50_000, weights, atol=0.01)
    for k in range(3):
        drawn = np.array(rows)[np.array(labels) == k]
        np.testing.assert_allclose(drawn.mean(0), means[k], atol=0.02)
        expected = np.diag(covariances[k]) if diagonal else covariances[k]
        np.testing.assert_allclose(np.cov(drawn.T), expected, atol=0.02)
    np.testing.assert_allclose(score_samples(model, rows).mean(), model.log_likelihood, atol=0.15)


def test_one_component_is_the_normal_distribution_of_the_rows():
    model = fit(Hypers(0.0), IRIS, key=jax.random.key(0), num_components=1)
    np.testing.assert_allclose(model.components.means[0], IRIS.mean(0), rtol=1e-5)
    np.testing.assert_allclose(model.components.covariances[0], np.cov(IRIS.T, bias=True), rtol=1e-4)
    assert model.converged


@full_and_diagonal
def test_degenerate_rows_give_finite_models(diagonal):
    rank_2 = 1000 * IRIS[:, :2] @ np.random.default_rng(0).normal(size=(2, 12)).astype(np.float32)
    singular = np.concatenate([rank_2, np.full((150, 1), 3.0, np.float32)], axis=1)
    for x in (singular, np.repeat(singular[:2], 75, axis=0)):  # the second has fewer distinct rows than components
        model = fit(Hypers(), x, key=jax.random.key(0), num_components=3, diagonal=diagonal)
        for leaf in jax.tree.leaves(model):
            assert np.isfinite(leaf).all()
        assert np.isfinite(score_samples(model, x)).all()
        np.testing.assert_allclose(np.sum(model.components.weights), 1, rtol=1e-5)


def test_one_column():
    x, start = SETS["iris"][0][:, :1], responsibilities_of(150, 2)
    theirs = scikit_learn_from(x, start, False, tol=1e-4)
    with jax.enable_x64(True):
        for diagonal in (False, True):
            ours = em(Hypers(1e-6, 1e-4), x, start, diagonal=diagonal)
            np.testing.assert_allclose(ours.log_likelihood, theirs.lower_bound_, rtol=1e-8)


def test_rows_in_blocks_give_what_all_at_once_give(monkeypatch):
    start = responsibilities_of(150, 3)
    run = partial(gmm.em, Hypers(1e-3, 0.0), IRIS, start, max_iterations=5)
    whole = jax.jit(run)()
    monkeypatch.setattr(gmm, "BLOCK", 64)
    assert_close(jax.jit(run)(), whole, rtol=1e-3, atol=1e-4)


@full_and_diagonal
def test_the_learner_walks_through_the_steps_of_em(diagonal):
    learner = gmm.gaussian_mixture_learner(num_features=4, num_components=3, diagonal=diagonal)
    state, step, batch = learner.init(jax.random.key(6), Hypers(1e-3)), jax.jit(learner.step), {"x": IRIS}
    centred = IRIS - IRIS.mean(0)
    centers = k_means_plus_plus(jax.random.key(6), centred, jnp.ones(150), 3)
    labels = np.array(jnp.argmin(jnp.sum((centred[:, None] - centers[None]) ** 2, axis=2), axis=1))
    for steps in range(1, 4):
        state, metrics = step(state, batch)
        expected = em(Hypers(1e-3, 0.0), IRIS, np.eye(3)[labels], diagonal=diagonal, max_iterations=steps)
        assert_close(state.components, expected.components, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(metrics["log_likelihood"], expected.log_likelihood, rtol=1e-4)
    log_prob = learner.evaluate(state, batch)["log_prob"]
    np.testing.assert_allclose(log_prob, score_samples(expected, IRIS), atol=1e-3)


def test_the_estimator_scores_held_out_rows():
    estimator = gmm.gaussian_mixture(num_components=2)
    model = estimator.fit(jax.random.key(0), Hypers(), IRIS[::2], None, jnp.ones(75))
    log_prob, _ = by_scipy(model.components, IRIS[1::2])
    np.testing.assert_allclose(estimator.predict(model, IRIS[1::2]), log_prob, atol=2e-3)


def test_components_of_given_responsibilities_are_weighted_moments():
    given = responsibilities_of(150, 2)
    with jax.enable_x64(True):
        components = from_responsibilities(jnp.array(IRIS, float), jnp.array(given.T), 0.01, diagonal=False)
    for k in range(2):
        expected = np.cov(IRIS.T, bias=True, aweights=given[:, k]) + 0.01 * np.eye(4)
        np.testing.assert_allclose(components.covariances[k], expected, rtol=1e-8)
        factor = np.array(components.factors[k])
        np.testing.assert_allclose(factor @ factor.T, np.linalg.inv(expected), rtol=1e-8)
        np.testing.assert_array_equal(factor, np.triu(factor))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"num_components": 151}, "num_components: got 151, allowed are 1 to the 150 rows"),
        ({"num_components": 0}, "num_components: got 0"),
        ({"num_components": 2, "restarts": 0}, "restarts: got 0, at least 1"),
        ({"num_components": 2, "max_iterations": 0}, "max_iterations: got 0, at least 1"),
    ],
)
def test_bad_statics_are_refused(keywords, message):
    with pytest.raises(ValueError, match=message):
        gmm.fit(Hypers(), IRIS, key=jax.random.key(0), **keywords)
