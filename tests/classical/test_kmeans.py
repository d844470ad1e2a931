from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_iris, load_wine

from mlr_jax.classical import kmeans
from mlr_jax.classical.kmeans import Hypers
from mlr_jax.classical.kmeans_init import draw_rows, k_means_plus_plus

SETS = {"iris": (load_iris().data, 3), "wine": (load_wine().data, 3), "digits": (load_digits().data[:600], 10)}
IRIS = SETS["iris"][0].astype(np.float32)
every_set = pytest.mark.parametrize("name", SETS)

fit = jax.jit(kmeans.fit, static_argnames=("num_clusters", "restarts", "max_iterations", "trials"))
lloyd = jax.jit(kmeans.lloyd, static_argnames="max_iterations")
keys = jax.vmap(jax.random.key)


def rows_as_centers(x, num_clusters, seed=0):
    return x[np.random.default_rng(seed).choice(len(x), num_clusters, replace=False)]


def weights_of(rows):
    """Whole numbers, some of them 0."""
    return np.random.default_rng(5).integers(0, 4, rows)


@every_set
def test_from_the_same_centers_it_goes_where_scikit_learn_goes(name):
    x, num_clusters = SETS[name]
    start = rows_as_centers(x, num_clusters)
    expected = KMeans(num_clusters, init=start, n_init=1, tol=1e-4, algorithm="lloyd").fit(x)
    with jax.enable_x64(True):
        model = lloyd(Hypers(1e-4), x, start)
        np.testing.assert_allclose(model.centers, expected.cluster_centers_, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(model.inertia, expected.inertia_, rtol=1e-10)
        np.testing.assert_array_equal(kmeans.predict(model, x), expected.labels_)
        np.testing.assert_allclose(kmeans.transform(model, x), expected.transform(x), atol=1e-9)
        np.testing.assert_allclose(kmeans.score(model, x), expected.score(x), rtol=1e-10)
        np.testing.assert_allclose(kmeans.score_samples(model, x), -(expected.transform(x).min(1) ** 2), atol=1e-9)
    assert model.iterations == expected.n_iter_
    assert model.converged


@pytest.mark.parametrize("tolerance", [1e-3, 1e-2, 1e-1])
def test_it_stops_when_scikit_learn_stops(tolerance):
    x, num_clusters = SETS["digits"]
    start = rows_as_centers(x, num_clusters)
    expected = KMeans(num_clusters, init=start, n_init=1, tol=tolerance, algorithm="lloyd").fit(x)
    with jax.enable_x64(True):
        model = lloyd(Hypers(tolerance), x, start)
    assert model.iterations == expected.n_iter_
    np.testing.assert_allclose(model.inertia, expected.inertia_, rtol=1e-10)


def test_with_weights_too():
    x, weight = SETS["iris"][0], np.random.default_rng(0).uniform(0.1, 3, 150)
    start = rows_as_centers(x, 3)
    expected = KMeans(3, init=start, n_init=1, tol=0).fit(x, sample_weight=weight)
    with jax.enable_x64(True):
        model = lloyd(Hypers(0.0), x, start, weight)
        np.testing.assert_allclose(model.centers, expected.cluster_centers_, rtol=1e-10)
        np.testing.assert_allclose(model.inertia, expected.inertia_, rtol=1e-10)
        np.testing.assert_allclose(kmeans.score(model, x, weight), expected.score(x, sample_weight=weight), rtol=1e-10)


@pytest.mark.parametrize("num_empty", [1, 3])
def test_empty_clusters_move_to_the_farthest_rows_as_in_scikit_learn(num_empty):
    x = SETS["wine"][0]
    start = np.concatenate([x[:2], 1e4 + np.arange(13.0 * num_empty).reshape(num_empty, 13)])
    for max_iter in (1, 300):
        expected = KMeans(len(start), init=start, n_init=1, tol=0, max_iter=max_iter)
        expected = expected.fit(x) if max_iter > 1 else quietly(expected.fit, x)
        with jax.enable_x64(True):
            model = lloyd(Hypers(0.0), x, start, max_iterations=max_iter)
        order, expected_order = np.lexsort(np.array(model.centers).T), np.lexsort(expected.cluster_centers_.T)
        np.testing.assert_allclose(model.centers[order], expected.cluster_centers_[expected_order], rtol=1e-9)
        np.testing.assert_allclose(model.inertia, expected.inertia_, rtol=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def quietly(function, *arguments):
    return function(*arguments)


@every_set
def test_the_best_of_ten_restarts_is_no_worse_than_scikit_learns(name):
    x, num_clusters = SETS[name]
    ours = [
        fit(Hypers(0.0), x.astype(np.float32), key=key, num_clusters=num_clusters, restarts=10).inertia
        for key in keys(jnp.arange(3))
    ]
    theirs = [KMeans(num_clusters, n_init=10, tol=0, random_state=seed).fit(x).inertia_ for seed in range(3)]
    if name == "digits":  # neither always finds the best minimum
        assert np.mean(ours) <= np.mean(theirs) + np.ptp(theirs) + 1e-5 * np.mean(theirs)
        assert min(ours) <= min(theirs) * (1 + 2e-3)
    else:
        assert max(ours) <= min(theirs) * (1 + 1e-5)


def test_restarts_keep_the_best():
    key = jax.random.key(3)
    x = SETS["digits"][0].astype(np.float32)
    alone = []
    for restart_key in jax.random.split(key, 10):
        first = k_means_plus_plus(restart_key, x - x.mean(0)[None], jnp.ones(len(x)), 10) + x.mean(0)[None]
        alone.append(float(lloyd(Hypers(0.0), x, first).inertia))
    assert max(alone) > 1.01 * min(alone)
    best = fit(Hypers(0.0), x, key=key, num_clusters=10, restarts=10).inertia
    np.testing.assert_allclose(best, min(alone), rtol=1e-6)


def test_k_means_plus_plus_draws_rows_by_their_squared_distance():
    x = jnp.array([[0.0], [1.0], [3.0], [7.0], [50.0]])
    weight = np.array([1.0, 2.0, 1.0, 1.0, 0.0], np.float32)
    draw = jax.jit(jax.vmap(lambda key: k_means_plus_plus(key, x, weight, 2, trials=1)[:, 0]))
    pairs = np.array(draw(jax.random.split(jax.random.key(0), 40_000)))
    for i, first in enumerate(x[:, 0]):
        drawn = pairs[pairs[:, 0] == first, 1]
        np.testing.assert_allclose(len(drawn) / len(pairs), weight[i] / weight.sum(), atol=0.01)
        if weight[i]:
            mass = weight * (x[:, 0] - first) ** 2
            frequencies = [(drawn == second).mean() for second in x[:, 0]]
            np.testing.assert_allclose(frequencies, mass / mass.sum(), atol=0.02)


def test_more_trials_give_better_first_centers():
    x = SETS["digits"][0].astype(np.float32)

    def potential(key, trials):
        centers = k_means_plus_plus(key, x, jnp.ones(len(x)), 10, trials)
        return jnp.sum(jnp.min(jnp.sum((x[:, None] - centers[None]) ** 2, axis=2), axis=1))

    mean = [jnp.mean(jax.lax.map(partial(potential, trials=n), keys(jnp.arange(20)))) for n in (1, 4)]
    assert mean[1] < 0.95 * mean[0]


def test_rows_are_drawn_by_their_mass_from_any_block():
    mass = np.zeros(1000, np.float32)
    mass[[3, 255, 256, 700, 999]] = [1, 2, 3, 0.5, 1.5]
    rows = jnp.arange(1000.0)[:, None]
    drawn = np.array(jax.jit(partial(draw_rows, draws=20_000))(jax.random.key(1), rows, mass))[:, 0].astype(int)
    np.testing.assert_allclose(np.bincount(drawn, minlength=1000) / 20_000, mass / mass.sum(), atol=0.012)


def test_a_whole_weight_is_a_row_repeated_and_weight_0_a_row_that_is_not_there():
    count = weights_of(150)
    junk = np.where(count[:, None] > 0, IRIS, np.nan)
    models = [
        fit(Hypers(), junk, count, key=jax.random.key(2), num_clusters=3, restarts=4),
        fit(Hypers(), np.repeat(IRIS, count, axis=0), key=jax.random.key(2), num_clusters=3, restarts=4),
    ]
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4), *models)
    np.testing.assert_allclose(kmeans.score(models[0], junk, count), -models[0].inertia, rtol=1e-5)


def test_members_of_a_vmap_equal_their_solo_runs():
    tolerances, weights = jnp.array([0.0, 1e-2, 1.0]), np.stack([weights_of(150), np.ones(150), np.arange(150) % 2])
    run = partial(kmeans.fit, num_clusters=3, restarts=2)
    many = jax.jit(jax.vmap(lambda t, key, w: run(Hypers(t), IRIS, w, key=key)))
    models = many(tolerances, keys(jnp.arange(3)), weights)
    for i in range(3):
        solo = fit(Hypers(tolerances[i]), IRIS, weights[i], key=jax.random.key(i), num_clusters=3, restarts=2)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), jax.tree.map(lambda a, i=i: a[i], models), solo)
    assert len(np.unique(models.iterations)) > 1


def test_new_tolerances_compile_nothing_new():
    run = jax.jit(partial(kmeans.fit, num_clusters=3))
    iterations = [int(run(Hypers(t), IRIS, key=jax.random.key(4)).iterations) for t in (0.0, 0.1, 10.0)]
    assert run._cache_size() == 1
    assert iterations[0] > iterations[2] == 1


def test_fewer_distinct_rows_than_clusters():
    x = np.repeat(np.array([[0.0, 1.0], [5.0, 5.0]], np.float32), 5, axis=0)
    model = fit(Hypers(), x, key=jax.random.key(0), num_clusters=4, restarts=2)
    to_nearest_row = np.min(np.abs(np.array(model.centers)[:, None] - x[None]).max(axis=2), axis=1)
    np.testing.assert_allclose(to_nearest_row, 0, atol=1e-5)
    np.testing.assert_allclose(model.inertia, 0, atol=1e-6)
    np.testing.assert_allclose(kmeans.score(model, x), 0, atol=1e-6)
    weight = np.arange(10) == 3  # one row is left
    model = fit(Hypers(), x, weight, key=jax.random.key(0), num_clusters=4, restarts=2)
    np.testing.assert_allclose(model.centers, np.tile(x[3], (4, 1)), atol=1e-6)


def test_one_cluster_is_the_mean_and_as_many_as_rows_are_the_rows():
    one = fit(Hypers(), IRIS, key=jax.random.key(0), num_clusters=1)
    np.testing.assert_allclose(one.centers[0], IRIS.mean(0), rtol=1e-5)
    np.testing.assert_allclose(one.inertia, 150 * IRIS.var(0).sum(), rtol=1e-5)
    x = IRIS[:5]
    every = fit(Hypers(), x, key=jax.random.key(0), num_clusters=5)
    np.testing.assert_allclose(every.inertia, 0, atol=1e-6)
    np.testing.assert_allclose(np.sort(every.centers, axis=0), np.sort(x, axis=0), atol=1e-5)


def test_one_column_and_a_constant_column():
    column = IRIS[:, 2:3]
    expected = KMeans(3, n_init=10, random_state=0).fit(column).inertia_
    for x in (column, np.concatenate([column, np.full_like(column, 1e3)], axis=1)):
        model = fit(Hypers(), x, key=jax.random.key(0), num_clusters=3, restarts=10)
        np.testing.assert_allclose(model.inertia, expected, rtol=1e-3)


def test_a_large_offset_costs_no_digits():
    near = fit(Hypers(0.0), IRIS, key=jax.random.key(1), num_clusters=3, restarts=3)
    shifted = (IRIS + 4096.0).astype(np.float32)
    far = fit(Hypers(0.0), shifted, key=jax.random.key(1), num_clusters=3, restarts=3)
    np.testing.assert_allclose(far.inertia, near.inertia, rtol=1e-3)
    np.testing.assert_array_equal(kmeans.predict(far, shifted), kmeans.predict(near, IRIS))


def test_the_learner_walks_through_lloyds_iterates():
    learner = kmeans.k_means_learner(num_features=4, num_clusters=3)
    state, step, batch = learner.init(jax.random.key(6), Hypers(1e-3)), jax.jit(learner.step), {"x": IRIS}
    first = k_means_plus_plus(jax.random.key(6), IRIS - IRIS.mean(0)[None], jnp.ones(150), 3) + IRIS.mean(0)[None]
    inertia = -kmeans.score(kmeans.KMeans(first, *(jnp.zeros(()),) * 3), IRIS)
    for iterations in range(1, 9):
        state, metrics = step(state, batch)
        expected = lloyd(Hypers(1e-3), IRIS, first, max_iterations=iterations)
        np.testing.assert_allclose(state.centers, expected.centers, rtol=1e-5)
        np.testing.assert_allclose(150 * metrics["inertia"], inertia, rtol=1e-5)
        assert metrics["converged"] == expected.converged
        inertia = expected.inertia
        if expected.converged:
            break
    assert expected.converged
    np.testing.assert_allclose(learner.evaluate(state, batch)["squared_distance"].sum(), inertia, rtol=1e-5)


def test_the_estimator_scores_held_out_rows():
    estimator = kmeans.k_means(num_clusters=3, restarts=2)
    model = estimator.fit(jax.random.key(0), Hypers(), IRIS[:100], None, jnp.ones(100))
    assert estimator.predict(model, IRIS[100:]).shape == (50,)
    expected = KMeans(3, init=model.centers, n_init=1, max_iter=1, tol=1e9).fit(IRIS[:100])
    np.testing.assert_allclose(-estimator.predict(model, IRIS[:100]).sum(), expected.inertia_, rtol=1e-4)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"num_clusters": 151}, "num_clusters: got 151, allowed are 1 to the 150 rows"),
        ({"num_clusters": 0}, "num_clusters: got 0"),
        ({"num_clusters": 3, "restarts": 0}, "restarts: got 0, at least 1"),
        ({"num_clusters": 3, "max_iterations": 0}, "max_iterations: got 0, at least 1"),
        ({"num_clusters": 3, "trials": 0}, "trials: got 0, at least 1"),
    ],
)
def test_bad_statics_are_refused(keywords, message):
    with pytest.raises(ValueError, match=message):
        kmeans.fit(Hypers(), IRIS, key=jax.random.key(0), **keywords)
