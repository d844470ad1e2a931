import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from sklearn.datasets import load_digits, load_iris
from sklearn.manifold import TSNE, trustworthiness
from sklearn.manifold._t_sne import _joint_probabilities, _kl_divergence

from mlr_jax.classical import tsne
from mlr_jax.classical.tsne import Hypers
from mlr_jax.classical.tsne_affinities import Affinities, affinities_of, conditional_probabilities
from mlr_jax.classical.tsne_divergence import divergences, gradient_of

rng = np.random.default_rng(0)
DIGITS = load_digits().data[:240].astype(np.float32)
IRIS = load_iris().data.astype(np.float32)
EVERY_ROW = jnp.ones(240, bool)

fit = jax.jit(tsne.fit, static_argnames=("num_components", "iterations", "early_iterations", "block"))
affinities = jax.jit(affinities_of, static_argnames="block")
gradient = jax.jit(gradient_of, static_argnames="block")
divergence = jax.jit(divergences, static_argnames="block")


def kl_by_definition(points, joint):
    """sum p log(p / q) of differentiable points."""
    freedom = max(points.shape[1] - 1, 1)
    squares = jnp.sum((points[:, None] - points[None]) ** 2, axis=2)
    kernel = (1 + squares / freedom) ** (-(freedom + 1) / 2) * (1 - jnp.eye(len(points)))
    q = kernel / jnp.sum(kernel) + jnp.eye(len(points))
    return jnp.sum(jnp.where(joint > 0, joint * jnp.log(jnp.where(joint > 0, joint, 1) / q), 0))


def perplexities_of(p):
    """exp of the entropy of each row of conditional probabilities."""
    return np.exp(-np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0), axis=1))


@pytest.mark.parametrize("perplexity", [5.0, 30.0])
def test_affinities_are_scikit_learns(perplexity):
    distances = squareform(pdist(DIGITS, "sqeuclidean")).astype(np.float32)
    expected = squareform(_joint_probabilities(distances, perplexity, 0))
    for block in (60, 240):
        joint, _ = affinities(DIGITS, EVERY_ROW, perplexity, block=block)
        np.testing.assert_allclose(joint, expected, rtol=1e-3, atol=1e-8)
        np.testing.assert_allclose(np.sum(joint), 1, rtol=1e-5)
        np.testing.assert_allclose(joint, joint.T, rtol=1e-6)


@pytest.mark.parametrize("perplexity", [2.0, 30.0, 100.0])
def test_every_row_has_the_perplexity_asked_for(perplexity):
    distances = squareform(pdist(DIGITS, "sqeuclidean")).astype(np.float32)
    run = jax.jit(jax.vmap(conditional_probabilities, (0, 0, None)))
    p = np.array(run(distances, ~np.eye(240, dtype=bool), jnp.log(perplexity)), np.float64)
    np.testing.assert_allclose(perplexities_of(p), perplexity, rtol=1e-4)
    np.testing.assert_array_equal(np.diagonal(p), 0)


@pytest.mark.parametrize("num_components", [1, 2, 3])
def test_the_gradient_is_that_of_the_divergence(num_components):
    points = jnp.array(rng.normal(size=(240, num_components)) * 3)
    with jax.enable_x64(True):
        joint, _ = affinities(DIGITS.astype(float), EVERY_ROW, 20.0, block=240)
        y = jnp.array(points, float)
        expected_kl, expected = jax.jit(jax.value_and_grad(kl_by_definition))(y, joint)
        for block in (60, 240):
            ours = gradient(y, Affinities(joint, EVERY_ROW), block)
            np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-12)
            kl = np.sum(divergence(y, Affinities(joint, EVERY_ROW), block))
            np.testing.assert_allclose(kl, expected_kl, rtol=1e-10)
        if num_components < 3:  # for more than one degree of freedom theirs is another function
            condensed = 12 * squareform(np.array(joint), checks=False)
            _, theirs = _kl_divergence(np.ravel(y), condensed, 1, 240, num_components)
            ours = gradient(y, Affinities(joint, EVERY_ROW), 240, 12.0)
            np.testing.assert_allclose(np.ravel(ours), theirs, rtol=1e-6, atol=1e-9)


def test_in_float32_too():
    points = np.float32(rng.normal(size=(240, 2)) * 20)
    joint, _ = affinities(DIGITS, EVERY_ROW, 20.0, block=240)
    ours = gradient(points, Affinities(joint, EVERY_ROW), 80)
    with jax.enable_x64(True):
        expected = gradient(np.float64(points), Affinities(np.float64(joint), EVERY_ROW), 80)
    np.testing.assert_allclose(ours, expected, atol=1e-5 * np.abs(expected).max())


def test_it_walks_where_scikit_learn_walks():
    """Through both phases, for as many iterations as chaos allows."""
    start = 1e-4 * rng.normal(size=(240, 2))
    theirs = TSNE(init=start, method="exact", perplexity=20, learning_rate=60.0, max_iter=12)
    theirs._EXPLORATION_MAX_ITER = 6
    expected = theirs._fit(DIGITS.astype(float))
    with jax.enable_x64(True):
        ours = fit(Hypers(20.0, 60.0), DIGITS.astype(float), start=start, iterations=12, early_iterations=6)
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(ours.points, expected, atol=1e-3)


def test_the_divergence_is_no_worse_than_scikit_learns_and_neighbours_stay():
    starts = np.float32(1e-4 * rng.normal(size=(4, 240, 2)))  # each ends in a minimum of its own
    ours = [fit(Hypers(), DIGITS, start=start, iterations=500) for start in starts]
    theirs = [TSNE(init=start, method="exact", max_iter=500) for start in starts]
    kept = [trustworthiness(DIGITS, np.array(embedding.points)) for embedding in ours]
    theirs_kept = [trustworthiness(DIGITS, embedding.fit_transform(DIGITS)) for embedding in theirs]
    assert np.mean([embedding.kl for embedding in ours]) < 1.05 * np.mean([other.kl_divergence_ for other in theirs])
    assert np.mean(kept) > np.mean(theirs_kept) - 0.005
    assert min(kept) > 0.95


def test_rows_of_weight_0_are_not_there_and_other_weights_are_the_same():
    count = rng.permutation(np.arange(240) % 4)
    junk = np.where(count[:, None] > 0, DIGITS, np.nan)
    steps = {"iterations": 20, "early_iterations": 10, "block": 60}
    weighted = fit(Hypers(10.0), junk, count, **steps)
    alone = fit(Hypers(10.0), DIGITS[count > 0], **steps)
    np.testing.assert_allclose(
        weighted.points[count > 0], alone.points, rtol=2e-2, atol=2e-2 * np.abs(alone.points).max()
    )
    np.testing.assert_allclose(weighted.kl, alone.kl, rtol=1e-2)
    np.testing.assert_array_equal(weighted.points[count == 0], 0)


def test_members_of_a_vmap_equal_their_solo_runs_and_new_values_compile_nothing_new():
    hypers = Hypers(jnp.array([5.0, 30.0]), jnp.array([0.0, 20.0]), jnp.array([12.0, 4.0]))
    run = jax.jit(lambda h: tsne.fit(h, IRIS, iterations=6, early_iterations=3))
    many = jax.jit(
        jax.vmap(lambda h: tsne.fit(h, IRIS, iterations=6, early_iterations=3), (Hypers(0, 0, 0, None, None),))
    )
    points, kl = many(hypers)
    for i in range(2):
        solo = run(Hypers(hypers.perplexity[i], hypers.learning_rate[i], hypers.early_exaggeration[i]))
        np.testing.assert_allclose(points[i], solo.points, rtol=1e-3, atol=1e-3 * np.abs(solo.points).max())
        np.testing.assert_allclose(kl[i], solo.kl, rtol=1e-4)
    assert run._cache_size() == 1


def test_duplicates_constant_columns_and_an_unreachable_perplexity():
    x = np.concatenate([np.repeat(IRIS[:3], 20, axis=0), np.full((60, 1), 5.0, np.float32)], axis=1)
    for perplexity in (5.0, 1000.0):
        embedding = fit(Hypers(perplexity), x, iterations=30, early_iterations=15)
        assert np.isfinite(embedding.points).all()
        assert np.isfinite(embedding.kl)
    same = fit(Hypers(5.0), np.ones((60, 5), np.float32), iterations=30, early_iterations=15)
    assert np.isfinite(same.points).all()


def test_one_column_into_one_dimension():
    x = np.concatenate([rng.normal(c, 0.1, 50) for c in (0, 5, 30)])[:, None].astype(np.float32)
    before, after = (fit(Hypers(10.0), x, num_components=1, iterations=n, early_iterations=100) for n in (0, 300))
    assert after.points.shape == (150, 1)
    assert after.kl < 0.3 * before.kl


def test_the_learner_walks_where_fit_walks():
    learner = tsne.tsne_learner(num_rows=150, early_iterations=3)
    state, step, batch = learner.init(jax.random.key(0), Hypers(10.0)), jax.jit(learner.step), {"x": IRIS}
    before = fit(Hypers(10.0), IRIS, iterations=0).kl
    for iterations in range(1, 7):
        state, metrics = step(state, batch)
        np.testing.assert_allclose(metrics["kl"], before, rtol=1e-4)
        if iterations in (2, 6):
            expected = fit(Hypers(10.0), IRIS, iterations=iterations, early_iterations=3)
            atol = 1e-3 * np.abs(expected.points).max()
            np.testing.assert_allclose(state.descent.points, expected.points, rtol=1e-3, atol=atol)
        before = np.mean(learner.evaluate(state, batch)["kl"])
    np.testing.assert_allclose(before, expected.kl, rtol=1e-4)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"block": 0}, "block: got 0, at least 1"),
        ({"num_components": 0}, "num_components: got 0, at least 1"),
        ({"num_components": 5}, "num_components: got 5, allowed are 1 to 4"),
        ({"start": np.zeros((150, 3))}, r"start: got shape \(150, 3\), wanted \[N, Q\] = \(150, 2\)"),
    ],
)
def test_bad_arguments_are_refused(keywords, message):
    with pytest.raises(ValueError, match=message):
        tsne.fit(Hypers(), IRIS, **keywords)


def test_the_learner_refuses_another_number_of_rows():
    learner = tsne.tsne_learner(num_rows=150)
    with pytest.raises(ValueError, match="batch: got 149 rows, wanted the 150 rows"):
        learner.step(learner.init(jax.random.key(0), Hypers()), {"x": IRIS[1:]})
