"""scikit-learn's own checks of an estimator, all of them, on each face."""

import warnings

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from mlr_jax import estimators

SHUFFLED = "the check shuffles rows before it weighs them, and which rows a random number draws depends on their order"

TIES = "of splits that gain the same but for rounding another is taken when sums are made in another order"

EXPECTED = {
    "PCA": {
        "check_sample_weight_equivalence_on_dense_data": "there are as many components as rows, which the check repeats"
    },
    "RandomForestClassifier": {"check_sample_weight_equivalence_on_dense_data": SHUFFLED},
    "RandomForestRegressor": {"check_sample_weight_equivalence_on_dense_data": SHUFFLED},
    "GradientBoostingClassifier": {"check_sample_weight_equivalence_on_dense_data": TIES},
    "KMeans": {"check_sample_weight_equivalence_on_dense_data": SHUFFLED},
}
"""Checks that fail, and in one line why."""

SMALL: dict = {
    "SVC": {"tol": 1e-10},
    "TSNE": {"perplexity": 2, "max_iter": 20},
    "DecisionTreeClassifier": {"max_depth": 3},
    "DecisionTreeRegressor": {"max_depth": 3},
    **{key: {"n_estimators": 5, "max_depth": 3} for key in ("RandomForestClassifier", "RandomForestRegressor")},
    **{
        key: {"n_estimators": 8, "learning_rate": 0.5, "max_depth": 2}
        for key in ("GradientBoostingClassifier", "GradientBoostingRegressor")
    },
}
"""Settings that make a check quick, where the defaults would not."""


def faces():
    """Each public class, made small."""
    for name in estimators.__all__:
        yield getattr(estimators, name)(**SMALL.get(name, {}))


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    list(faces()), expected_failed_checks=lambda estimator: EXPECTED.get(type(estimator).__name__, {})
)
def test_scikit_learn_check(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)
