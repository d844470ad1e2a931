"""Made tables for the classical cases, float32."""

import numpy as np
from sklearn import datasets


def linear_data(rows: int, columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Normal columns off zero, and a noisy sum of them."""
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(rows, columns)) + rng.normal(size=columns)).astype(np.float32)
    y = x @ rng.normal(size=columns) + rng.normal(size=rows)
    return x, y.astype(np.float32)


def class_data(rows: int, columns: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's made classes, most columns of which say something."""
    x, y = datasets.make_classification(
        rows, columns, n_informative=columns // 2, n_classes=classes, class_sep=1.0, random_state=seed
    )
    return x.astype(np.float32), y.astype(np.int32)


def blobs(rows: int, columns: int, centers: int) -> np.ndarray:
    """Overlapping clouds."""
    return datasets.make_blobs(rows, columns, centers=centers, cluster_std=6.0, random_state=0)[0].astype(np.float32)


def mixed(rows: int, columns: int) -> np.ndarray:
    """Normal columns that depend on one another."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns)) / columns**0.5).astype(np.float32)
