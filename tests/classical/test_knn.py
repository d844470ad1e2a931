"""Nearest neighbours beside scikit-learn's brute force, in memory that is bounded."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors

from mlr_jax.classical import knn
from mlr_jax.ops.distances import euclidean, manhattan

METRICS = {"euclidean": euclidean, "manhattan": manhattan}
search = jax.jit(knn.neighbours, static_argnames=("k", "metric", "block_size"))
fit = jax.jit(knn.fit, static_argnames="num_classes")
predict = jax.jit(knn.predict, static_argnames=("k", "metric", "block_size"))


@pytest.fixture(scope="module")
def digits():
    """1,497 training rows, 300 queries."""
    x, y = load_digits(return_X_y=True)
    return x[300:].astype(np.float32), y[300:], x[:300].astype(np.float32), y[:300]


def assert_same_neighbours(found, expected):
    """The same distances, and the same rows wherever no other row is as far."""
    distances, index = map(np.asarray, found)
    np.testing.assert_allclose(distances, expected[0], rtol=1e-6)
    gaps = np.diff(expected[0], axis=1, append=np.inf) > 1e-6
    is_alone = gaps & np.pad(gaps[:, :-1], ((0, 0), (1, 0)), constant_values=True)
    is_alone[:, -1] = False  # the next one, not asked for, may be as far
    assert is_alone.mean() > 0.5
    np.testing.assert_array_equal(index[is_alone], expected[1][is_alone])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [5, 20])
def test_distances_and_rows_are_those_of_scikit_learn(digits, metric, k):
    x, _, queries, _ = digits
    peer = NearestNeighbors(n_neighbors=k, algorithm="brute", metric=metric).fit(x.astype(np.float64))
    found = search(x, queries, k=k, metric=METRICS[metric])
    assert found[1].dtype == jnp.int32
    assert_same_neighbours(found, peer.kneighbors(queries.astype(np.float64)))


def test_any_function_of_two_examples_is_a_metric(digits):
    x, _, queries, _ = digits
    peer = NearestNeighbors(n_neighbors=3, algorithm="brute", metric="cosine").fit(x)

    def cosine(x, z):
        return 1 - x @ z / jnp.sqrt((x @ x) * (z @ z))

    distances, _ = search(x, queries, k=3, metric=cosine)
    np.testing.assert_allclose(distances, peer.kneighbors(queries)[0], atol=2e-6)


@pytest.mark.parametrize(("rows", "k", "block_size"), [(30, 20, 20), (31, 3, 4), (11, 6, 6), (9, 9, 2)])
def test_a_block_never_has_fewer_rows_than_are_looked_for(digits, rows, k, block_size):
    x, _, queries, _ = digits
    whole = search(x[:rows], queries[:5], k=k)
    np.testing.assert_allclose(search(x[:rows], queries[:5], k=k, block_size=block_size)[0], whole[0])
    assert np.isfinite(whole[0]).all()


@pytest.mark.parametrize("block_size", [1, 64, 1000])
def test_the_size_of_a_block_changes_nothing(digits, block_size):
    x, _, queries, _ = digits
    whole = search(x, queries[:40], k=5)
    assert_same_neighbours(search(x, queries[:40], k=5, block_size=block_size), whole)


def test_memory_grows_with_the_rows_and_with_the_block_and_not_with_their_product():
    def temporary_bytes(rows, columns, block_size):
        shape = jax.ShapeDtypeStruct((rows, columns), jnp.float32)
        compiled = search.lower(shape, shape, k=5, block_size=block_size).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    matrix = 4 * 100_000**2
    assert temporary_bytes(100_000, 16, 16384) < matrix / 1000
    assert temporary_bytes(400_000, 16, 16384) < 4 * temporary_bytes(100_000, 16, 16384)
    assert temporary_bytes(16384, 2, 1024) < temporary_bytes(16384, 2, 16384) / 3


def test_far_from_the_origin_float32_finds_the_same_rows(digits):
    x, _, queries, _ = digits
    near, far = search(x, queries, k=5), search(x + 1e5, queries + 1e5, k=5)  # pixels are integers: the sum is exact
    assert_same_neighbours(far, near)


def test_a_training_row_is_its_own_nearest_at_distance_zero(digits):
    x = digits[0]
    distances, index = search(x, x[:200], k=2)
    assert (distances[:, 0] == 0).all()
    np.testing.assert_array_equal(x[np.asarray(index[:, 0])], x[:200])


@pytest.mark.parametrize("metric", METRICS)
def test_rows_of_weight_zero_are_never_found(digits, metric):
    x, _, queries, _ = digits
    weight = (np.arange(len(x)) % 3 > 0).astype(np.float32)
    junk = np.where(weight[:, None] > 0, x, np.nan)
    distances, index = search(junk, queries, k=5, metric=METRICS[metric], weight=weight)
    kept = np.flatnonzero(weight)
    fewer = search(x[kept], queries, k=5, metric=METRICS[metric])
    assert_same_neighbours((distances, index), (np.asarray(fewer[0]), kept[np.asarray(fewer[1])]))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [6, 12])
def test_where_fewer_rows_are_present_than_asked_for_the_places_left_over_say_so(metric, k):
    x = np.arange(40, dtype=np.float32)[:, None]
    weight = np.isin(np.arange(40), [3, 5, 30]).astype(np.float32)
    found = search(x, np.array([[4.9]], np.float32), k=k, metric=METRICS[metric], weight=weight, block_size=16)
    np.testing.assert_array_equal(found[1], [[5, 3, 30] + [-1] * (k - 3)])
    np.testing.assert_allclose(found[0], [[0.1, 1.9, 25.1] + [np.inf] * (k - 3)], rtol=1e-5)


@pytest.mark.parametrize("power", [0.0, 1.0])
@pytest.mark.parametrize("metric", METRICS)
def test_class_probabilities_are_those_of_scikit_learn(digits, metric, power):
    x, y, queries, labels = digits
    queries = queries + np.random.default_rng(0).uniform(0, 0.1, queries.shape).astype(np.float32)  # no two equally far
    weights = "distance" if power else "uniform"
    peer = KNeighborsClassifier(5, algorithm="brute", metric=metric, weights=weights).fit(x, y)
    model = fit(knn.Hypers(power=power), x, y, num_classes=10)
    found = predict(model, queries, k=5, metric=METRICS[metric])
    np.testing.assert_allclose(found, peer.predict_proba(queries), atol=2e-5)
    assert np.mean(np.argmax(found, axis=1) == labels) > 0.9


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_regression_is_that_of_scikit_learn(power):
    x, y = load_diabetes(return_X_y=True)
    # Not "brute", whose distance of a row to itself is rounded to 0 on some processors and to 1e-8 on others.
    peer = KNeighborsRegressor(7, algorithm="kd_tree", weights="distance" if power else "uniform").fit(x[100:], y[100:])
    queries = np.concatenate([x[:100], x[100:105]])  # some of them are training rows, at distance 0
    with jax.enable_x64(True):
        found = predict(fit(knn.Hypers(power=power), x[100:], y[100:]), queries, k=7)
        np.testing.assert_allclose(found, peer.predict(queries), rtol=1e-10)


def test_an_integer_weight_is_a_row_repeated():
    x, y = load_iris(return_X_y=True)
    rng = np.random.default_rng(0)
    x = x + 0.01 * rng.normal(size=x.shape)  # no two rows are equally far
    weight = rng.integers(0, 4, len(x))
    with jax.enable_x64(True):
        for power in (0.0, 1.0):
            hypers = knn.Hypers(power=power)
            weighted = predict(fit(hypers, x, y, weight, num_classes=3), x[::3] + 0.001, k=9)
            repeated = predict(
                fit(hypers, np.repeat(x, weight, 0), np.repeat(y, weight), num_classes=3), x[::3] + 0.001, k=9
            )
            np.testing.assert_allclose(weighted, repeated, atol=1e-12)


def test_many_numbers_of_neighbours_share_one_search(digits):
    x, y, queries, _ = digits
    counts = jnp.array([1.0, 4.0, 10.0])
    traces = 0

    @jax.jit
    def sweep(counts):
        nonlocal traces
        traces += 1

        def one(count):
            return knn.predict(knn.fit(knn.Hypers(count), x, y, num_classes=10), queries, k=10)

        return jax.vmap(one)(counts)

    found = sweep(counts)
    for count, probabilities in zip([1, 4, 10], found, strict=True):
        alone = predict(fit(knn.Hypers(), x, y, num_classes=10), queries, k=count)
        np.testing.assert_allclose(probabilities, alone, atol=1e-6)
    sweep(counts / 2)
    assert traces == 1
    products = re.findall(r":f32\[([0-9,]*)\] = dot_general", str(jax.make_jaxpr(sweep)(counts)))
    assert "1500,100" in products  # distances to a block of queries, with no axis for the three


def test_folds_side_by_side_are_each_alone(digits):
    x, y, queries, _ = digits
    weights = np.stack([np.arange(len(x)) % 3 != fold for fold in range(3)]).astype(np.float32)

    def one(weight):
        return knn.predict(knn.fit(knn.Hypers(power=1.0), x, y, weight, num_classes=10), queries[:50], k=5)

    together = jax.jit(jax.vmap(one))(weights)
    for weight, found in zip(weights, together, strict=True):
        np.testing.assert_allclose(found, jax.jit(one)(weight), atol=1e-5)


def test_predictions_are_differentiable_in_the_query():
    x, y = load_diabetes(return_X_y=True)
    with jax.enable_x64(True):
        model = fit(knn.Hypers(power=2.0), x, y)
        value = jax.jit(lambda query: knn.predict(model, query[None], k=5)[0])
        query, direction = jnp.array(x[0] + 0.003), jnp.array(np.random.default_rng(0).normal(size=x.shape[1]))
        step = 1e-7 * direction
        slope = (value(query + step) - value(query - step)) / 2e-7
        np.testing.assert_allclose(jax.jit(jax.grad(value))(query) @ direction, slope, rtol=1e-5)
        assert np.isfinite(jax.jit(jax.grad(value))(jnp.array(x[0]))).all()


def test_without_any_row_the_answer_is_zero():
    x, nothing = np.ones((8, 2), np.float32), np.zeros(8, np.float32)
    assert (predict(fit(knn.Hypers(power=1.0), x, np.zeros(8, int), nothing, num_classes=2), x, k=3) == 0).all()
    assert (predict(fit(knn.Hypers(), x, np.ones(8), nothing), x, k=3) == 0).all()


def test_constant_columns_duplicates_and_one_feature():
    x = np.array([[0.0], [0.0], [1.0], [5.0]], np.float32)
    y = np.array([0, 0, 1, 1])
    for rows in (x, np.hstack([x, np.full((4, 2), 7.0, np.float32)])):
        model = fit(knn.Hypers(power=1.0), rows, y, num_classes=2)
        np.testing.assert_allclose(predict(model, rows, k=3)[:, 1], [0, 0, 1, 1], atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k: got 0, allowed are 1 to the 4 training rows"),
        ({"k": 5}, "k: got 5, allowed are 1 to the 4 training rows"),
        ({"k": 1, "block_size": 0}, "block_size: got 0, at least 1 is needed"),
    ],
)
def test_impossible_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        knn.neighbours(jnp.ones((4, 2)), jnp.ones((1, 2)), **arguments)


def test_columns_must_agree_and_classes_be_two():
    with pytest.raises(ValueError, match="x_query: got 3 columns, x_train has 2"):
        knn.neighbours(jnp.ones((4, 2)), jnp.ones((1, 3)), 1)
    with pytest.raises(ValueError, match="num_classes: got 1, at least 2 are needed"):
        knn.fit(knn.Hypers(), jnp.ones((4, 2)), jnp.zeros(4, int), num_classes=1)


@pytest.mark.parametrize(
    ("estimator", "shape"), [(knn.knn_classifier(num_classes=3, k=2), (6, 3)), (knn.knn_regressor(k=2), (6,))]
)
def test_estimators_fit_and_predict(estimator, shape):
    x, y = jnp.arange(6.0)[:, None], jnp.array([0, 0, 1, 1, 2, 2])
    model = jax.jit(estimator.fit)(jax.random.key(0), knn.Hypers(1.0), x, y, jnp.ones(6))
    found = jax.jit(estimator.predict)(model, x)
    assert found.shape == shape
    np.testing.assert_allclose(found if len(shape) == 1 else np.argmax(found, axis=1), y, atol=1e-6)
