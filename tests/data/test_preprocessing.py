import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlr_jax.core.types import Estimator
from mlr_jax.data.preprocessing import apply, fit_statistics, preprocessed, weighted_median

SIZES = (0, 0, 3, 2)


@pytest.fixture(scope="module")
def table():
    """Numbers and categories, a fifth of the cells missing."""
    rng = np.random.default_rng(0)
    x = np.column_stack([
        rng.normal(50, 20, 60), rng.exponential(5, 60), rng.integers(0, 3, 60), rng.integers(0, 2, 60)
    ])  # fmt: skip
    x[rng.random(x.shape) < 0.2] = np.nan
    return x.astype(np.float32)


def pipeline():
    """The same preprocessing out of scikit-learn's parts."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categories = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OneHotEncoder(categories=[np.arange(3.0), np.arange(2.0)], handle_unknown="ignore", sparse_output=False),
    )
    return ColumnTransformer([("numbers", numbers, [0, 1]), ("categories", categories, [2, 3])])


def test_it_equals_scikit_learns_pipeline(table):
    train, test = table[:40], np.vstack([table[40:], [[1, 2, -1, 1]]]).astype(np.float32)
    statistics = fit_statistics(SIZES, train, np.ones(40))
    reference = pipeline().fit(train)
    for part in (train, test):
        np.testing.assert_allclose(apply(SIZES, statistics, part), reference.transform(part), rtol=2e-5, atol=2e-6)


def test_a_category_that_is_not_known_is_all_zeros(table):
    statistics = fit_statistics(SIZES, table, np.ones(60))
    np.testing.assert_array_equal(apply(SIZES, statistics, np.array([[0, 0, -1, 1]]))[0, 2:], [0, 0, 0, 0, 1])


def test_a_row_without_weight_is_not_there(table):
    weight = np.arange(60) % 3 > 0
    alone = fit_statistics(SIZES, table[weight], np.ones(weight.sum()))
    junk = np.where(weight[:, None], table, np.nan)
    for rows in (table, junk, np.where(weight[:, None], table, 1e30).astype(np.float32)):
        for a, b in zip(fit_statistics(SIZES, rows, weight.astype(float)), alone, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


def test_an_integer_weight_is_a_repetition(table):
    weight = np.random.default_rng(1).integers(0, 4, 60)
    repeated = fit_statistics(SIZES, np.repeat(table, weight, axis=0), np.ones(weight.sum()))
    for a, b in zip(fit_statistics(SIZES, table, weight), repeated, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.parametrize("values", [[3.0], [1, 2], [5, 1, 3], [4, 1, 2, 2]])
def test_the_median_is_numpys(values):
    assert weighted_median(jnp.array(values, float), jnp.ones(len(values))) == np.median(values)


def test_a_constant_and_an_empty_column_become_zeros():
    x = np.array([[2.0, np.nan], [2.0, np.nan]], np.float32)
    np.testing.assert_array_equal(apply((0, 0), fit_statistics((0, 0), x, np.ones(2)), x), 0)


def test_in_front_of_an_estimator_it_sees_only_the_rows_that_train_in_every_fold(table):
    """The estimator keeps what it was fitted on, so that leakage would show."""
    keep = Estimator(lambda key, hypers, x, y, weight: (x, weight), lambda model, x: x)
    wrapped = preprocessed(keep, SIZES)
    folds = jnp.stack([jnp.arange(60) % 3 != fold for fold in range(3)]).astype(jnp.float32)
    models = jax.jit(jax.vmap(lambda weight: wrapped.fit(None, None, table, None, weight)))(folds)
    predictions = jax.vmap(wrapped.predict, in_axes=(0, None))(models, table)
    for fold in range(3):
        reference = pipeline().fit(table[np.arange(60) % 3 != fold]).transform(table)
        np.testing.assert_allclose(predictions[fold], reference, rtol=2e-5, atol=2e-6)
        np.testing.assert_allclose(models[1][0][fold], reference, rtol=2e-5, atol=2e-6)


def test_new_rows_compile_nothing_new(table):
    program = jax.jit(lambda x, weight: apply(SIZES, fit_statistics(SIZES, x, weight), x))
    for scale in (1.0, 2.0):
        program(scale * table, np.full(60, scale))
    assert program._cache_size() == 1


def test_another_number_of_columns_is_refused(table):
    with pytest.raises(ValueError, match=r"x: got shape \(60, 4\), wanted \[N, 2\] for 2 sizes"):
        fit_statistics((0, 0), table, np.ones(60))
