"""Five real sets to classify and five to regress on, that scikit-learn ships, standardised, in float64."""

from functools import cache

import numpy as np
from sklearn import datasets
from sklearn.preprocessing import StandardScaler

CLASSIFICATION = ("iris", "wine", "breast_cancer", "digits", "diabetes_high")
REGRESSION = ("diabetes", "linnerud", "wine_alcohol", "petal_width", "tumour_area")


@cache
def real_set(name: str) -> tuple[np.ndarray, np.ndarray]:
    """x [N, D] of mean 0 and variance 1, and y [N]."""
    x, y = RAW[name]()
    varies = x.std(0) > 0
    return StandardScaler().fit_transform(x[:, varies]), y


def _predict_column(load, column: int):
    """A regression of one measured column on the others."""
    x = load(return_X_y=True)[0]
    return np.delete(x, column, axis=1), x[:, column]


def _digits():
    x, y = datasets.load_digits(return_X_y=True)
    return x[:600], y[:600]


def _diabetes_high():
    x, y = datasets.load_diabetes(return_X_y=True)
    return x, (y > np.median(y)).astype(int)


def _linnerud():
    x, y = datasets.load_linnerud(return_X_y=True)
    return x, y[:, 0]


RAW = {
    "iris": lambda: datasets.load_iris(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "breast_cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "digits": _digits,
    "diabetes_high": _diabetes_high,
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
    "linnerud": _linnerud,
    "wine_alcohol": lambda: _predict_column(datasets.load_wine, 0),
    "petal_width": lambda: _predict_column(datasets.load_iris, 3),
    "tumour_area": lambda: _predict_column(datasets.load_breast_cancer, 3),
}
