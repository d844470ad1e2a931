import hashlib

import numpy as np
import pytest
from sklearn import datasets
from sklearn.preprocessing import StandardScaler

from mlr_jax.data.tabular import load_tabular, standardise, whole


@pytest.mark.parametrize(
    ("name", "rows", "columns", "classes", "test_rows"),
    [
        ("iris", (112, 38), 4, 3, "c83499a5"),
        ("wine", (134, 44), 13, 3, "ae4c293a"),
        ("breast_cancer", (427, 142), 30, 2, "306fa49e"),
        ("digits", (1348, 449), 64, 10, "bd37e0c2"),
        ("diabetes", (332, 110), 10, 0, "8c835d4d"),
    ],
)
def test_sets_are_those_of_scikit_learn_with_a_fixed_split(name, rows, columns, classes, test_rows):
    table = load_tabular(name)
    assert (len(table.train["y"]), len(table.test["y"])) == rows
    assert (len(table.feature_names), len(table.class_names)) == (columns, classes)
    assert table.train["x"].dtype == np.float32
    assert table.train["y"].dtype == (np.int32 if classes else np.float32)
    x, y = whole(table)
    raw = getattr(datasets, f"load_{name}")(**({"scaled": False} if name == "diabetes" else {}))
    expected = np.column_stack([raw.data, raw.target]).astype(np.float32)
    found = np.column_stack([x, y])
    np.testing.assert_array_equal(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)])
    assert hashlib.sha256(table.test["x"].tobytes()).hexdigest()[:8] == test_rows
    if classes:
        shares = [np.bincount(part["y"]) / len(part["y"]) for part in (table.train, table.test)]
        np.testing.assert_allclose(*shares, atol=0.03)


def test_names_are_words():
    assert load_tabular("iris").feature_names[2] == "petal length (cm)"
    assert load_tabular("iris").class_names == ("setosa", "versicolor", "virginica")
    assert load_tabular("diabetes").class_names == ()


def test_another_name_is_refused():
    with pytest.raises(ValueError, match=r"^got 'boston', allowed are iris, wine, breast_cancer, digits, diabetes$"):
        load_tabular("boston")


def test_standardise_equals_scikit_learn_and_leaves_constant_columns_alone():
    rng = np.random.default_rng(0)
    train, test = rng.normal(3, [1, 5, 0.1], (20, 3)), rng.normal(2, 1, (5, 3))
    scaler = StandardScaler().fit(train)
    for found, part in zip(standardise(train, test), (train, test), strict=True):
        np.testing.assert_allclose(found, scaler.transform(part), rtol=1e-12)
    (constant,) = standardise(np.full((4, 2), 7.0))
    np.testing.assert_array_equal(constant, 0)
