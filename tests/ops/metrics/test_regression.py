import jax
import numpy as np
import pytest
from ops.metrics.metric_case import ROWS, check
from sklearn import metrics as sk

from mlr_jax.ops.metrics import regression as ours

CASES = {
    "mse": (ours.mean_squared_error, sk.mean_squared_error),
    "rmse": (ours.root_mean_squared_error, sk.root_mean_squared_error),
    "mae": (ours.mean_absolute_error, sk.mean_absolute_error),
    "median": (ours.median_absolute_error, sk.median_absolute_error),
    "r2": (ours.r2, sk.r2_score),
    "explained variance": (ours.explained_variance, sk.explained_variance_score),
}
every_metric = pytest.mark.parametrize("name", CASES)


def problem(shape=(ROWS,)):
    """Values in quarters, so that there are ties."""
    rng = np.random.default_rng(0)
    y = np.round(rng.normal(3, 2, shape), 2)
    return y, y + np.round(4 * rng.normal(0.3, 1, shape)) / 4


@every_metric
@pytest.mark.parametrize("shape", [(ROWS,), (ROWS, 2)], ids=["one output", "two outputs"])
def test_as_in_scikit_learn(name, shape):
    metric, reference = CASES[name]
    check(
        metric,
        lambda y, prediction, weight: reference(y.astype(prediction.dtype), prediction, sample_weight=weight),
        *problem(shape),
    )


@every_metric
@pytest.mark.parametrize("constant", [0.0, 2.5])
@pytest.mark.parametrize("off", [0.0, 1.0])
def test_a_constant_target_as_in_scikit_learn(name, constant, off):
    metric, reference = CASES[name]
    y = np.full(6, constant)
    prediction = y + off * np.arange(6)
    np.testing.assert_allclose(metric(y, prediction), reference(y, prediction), rtol=1e-5)


@pytest.mark.parametrize("weights", [[1, 1], [1, 1, 1], [2, 1, 1], [1, 1, 2], [1, 0, 2, 0, 1], [0, 3, 0]])
def test_the_median_of_few_rows(weights):
    errors, weight = np.arange(len(weights), dtype=float)[::-1] ** 2, np.array(weights, float)
    expected = np.median(np.repeat(errors, weights))
    np.testing.assert_allclose(ours.median_absolute_error(np.zeros(len(weights)), errors, weight), expected)


def test_r2_does_not_lose_the_digits_of_a_large_mean():
    y, prediction = problem()
    y, prediction = (4096 + y).astype(np.float32), (4096 + prediction).astype(np.float32)
    np.testing.assert_allclose(
        ours.r2(y, prediction), sk.r2_score(y.astype(float), prediction.astype(float)), rtol=1e-5
    )


def test_what_is_not_a_number_is_seen():
    y, prediction = problem()
    prediction[3] = np.nan
    for metric, _ in CASES.values():
        assert np.isnan(metric(y, prediction))


def test_gradients_are_finite_also_at_a_perfect_fit():
    y, prediction = problem()
    for metric in (ours.mean_squared_error, ours.mean_absolute_error, ours.r2, ours.explained_variance):
        for point in (prediction, y):
            assert np.all(np.isfinite(jax.grad(metric, argnums=1)(y, point)))


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"prediction: got shape \(3, 1\), y has \(3,\)"):
        ours.r2(np.zeros(3), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="weight: got shape"):
        ours.r2(np.zeros(3), np.zeros(3), np.zeros(2))
