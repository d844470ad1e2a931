"""What the faces share: padding, precision, compiled programs, and life inside scikit-learn."""

import pickle

import joblib
import numpy as np
import pytest
from estimators.real_sets import real_set
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlr_jax.classical import knn
from mlr_jax.estimators.base import compiled, pad, padded_length
from mlr_jax.estimators.clusters import KMeans
from mlr_jax.estimators.neighbours import KNeighborsClassifier


@given(st.integers(1, 10**7))
def test_many_rows_are_padded_by_an_eighth_at_most_and_few_to_two_lengths(rows):
    length = padded_length(rows)
    assert length in (64, 256) if rows <= 256 else rows <= length <= rows + rows / 8
    assert rows <= length
    assert padded_length(length) == length


def test_each_doubling_has_eight_lengths():
    assert len({padded_length(rows) for rows in range(1025, 2049)}) == 8


def test_padding_adds_rows_of_zeros():
    np.testing.assert_array_equal(pad(np.ones((2, 3)), 4), [[1, 1, 1], [1, 1, 1], [0, 0, 0], [0, 0, 0]])
    array = np.ones(5)
    assert pad(array, 5) is array


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_input_decides_the_precision(dtype):
    x, _ = real_set("iris")
    model = KMeans(3, random_state=0).fit(x.astype(dtype))
    assert model.cluster_centers_.dtype == dtype
    assert model.transform(x.astype(dtype)).dtype == dtype


def test_folds_that_differ_by_a_row_share_a_program():
    x, y = real_set("wine")
    fit = compiled(knn.fit, num_classes=3)
    KNeighborsClassifier().fit(x[:140], y[:140])
    programs = fit._cache_size()
    for rows in (141, 142, 143, 144):
        KNeighborsClassifier(weights="distance").fit(x[:rows], y[:rows])
    assert fit._cache_size() == programs


def test_an_integer_random_state_gives_the_same_fit_and_another_another():
    x, _ = real_set("digits")
    first, same, other = (KMeans(10, max_iter=1, random_state=seed).fit(x).inertia_ for seed in (3, 3, 4))
    assert first == same
    assert first != other


def test_a_fitted_face_survives_pickle_and_a_clone_is_unfitted():
    x, y = real_set("iris")
    model = KNeighborsClassifier(3).fit(x, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(x), model.predict_proba(x))
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "model_")


def test_a_grid_search_over_a_pipeline_finds_what_a_loop_finds():
    x, y = real_set("iris")
    pipeline = make_pipeline(StandardScaler(), KNeighborsClassifier())
    search = GridSearchCV(pipeline, {"kneighborsclassifier__n_neighbors": [1, 5, 20]}, cv=3).fit(x, y)
    by_hand = [
        cross_val_score(pipeline.set_params(kneighborsclassifier__n_neighbors=k), x, y, cv=3) for k in (1, 5, 20)
    ]
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], np.mean(by_hand, axis=1))


def test_faces_travel_to_other_processes():
    x, y = real_set("iris")
    alone = cross_val_score(KNeighborsClassifier(), x, y, cv=3)
    with joblib.parallel_backend("loky", n_jobs=2):
        np.testing.assert_array_equal(cross_val_score(KNeighborsClassifier(), x, y, cv=3, n_jobs=2), alone)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (KMeans(0), "n_clusters: got 0, allowed is a whole number of at least 1"),
        (KMeans(2.5), "n_clusters: got 2.5, allowed is a whole number of at least 1"),
        (KMeans(tol=-1), "tol: got -1, allowed is a number at least 0"),
        (KMeans(tol="small"), "tol: got 'small', allowed is a number at least 0"),
        (KNeighborsClassifier(weights="heavy"), "weights: got 'heavy', allowed are 'uniform', 'distance'"),
    ],
)
def test_a_wrong_parameter_is_named_in_one_line(model, message):
    x, y = real_set("iris")
    with pytest.raises(ValueError, match=f"^{message}$"):
        model.fit(x, y)
