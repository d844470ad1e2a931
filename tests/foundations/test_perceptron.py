import jax
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import Perceptron
from sklearn.svm import SVC

from mlr_jax.foundations import perceptron
from mlr_jax.foundations.perceptron import Separator

fit = jax.jit(perceptron.fit, static_argnames="max_passes")
mistake_bound, predict, scores = map(jax.jit, (perceptron.mistake_bound, perceptron.predict, perceptron.scores))

IRIS = load_iris()
X, IS_SETOSA = IRIS.data, (IRIS.target == 0).astype(int)
IS_VIRGINICA = (IRIS.target == 2).astype(int)


def by_scikit_learn(x, y, passes):
    return Perceptron(max_iter=passes, tol=None, shuffle=False).fit(x, y)


def test_every_update_is_that_of_scikit_learn(x64):
    for y, passes in [(IS_SETOSA, 1), (IS_VIRGINICA, 3)]:
        ours, theirs = fit(X, y, max_passes=passes).last, by_scikit_learn(X, y, passes)
        np.testing.assert_allclose(ours.weights, theirs.coef_[0], rtol=1e-12)
        np.testing.assert_allclose(ours.bias, theirs.intercept_[0], rtol=1e-12)
        np.testing.assert_allclose(scores(ours, X), theirs.decision_function(X), rtol=1e-9)
        np.testing.assert_array_equal(predict(ours, X), theirs.predict(X))


def test_separable_classes_are_separated_within_the_bound_of_novikoff():
    svm = SVC(kernel="linear", C=1e8).fit(np.column_stack([X, np.ones(150)]), IS_SETOSA)
    widest = Separator(np.float32(svm.coef_[0, :4]), np.float32(svm.coef_[0, 4]))
    bound = mistake_bound(widest._replace(bias=widest.bias + svm.intercept_[0].astype(np.float32)), X, IS_SETOSA)
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(150)
        found = fit(X[order].astype(np.float32), IS_SETOSA[order])
        assert found.converged
        np.testing.assert_array_equal(predict(found.last, X), IS_SETOSA)
        assert 0 < found.mistakes <= bound < np.inf
        own_bound = mistake_bound(found.last, X.astype(np.float32), IS_SETOSA)
        assert found.mistakes <= own_bound
        w, rows = np.append(found.last.weights, found.last.bias), np.column_stack([X, np.ones(150)])
        margin = np.min((2 * IS_SETOSA - 1) * (rows @ w)) / np.linalg.norm(w)
        np.testing.assert_allclose(own_bound, (np.linalg.norm(rows, axis=1).max() / margin) ** 2, rtol=1e-3)


def test_the_bound_is_reached_where_rows_are_orthogonal():
    """Each of N orthogonal rows of one class is a mistake once, and R^2 / gamma^2 = N with the bias left out."""
    x, y = np.diag([2.0] * 5).astype(np.float32), np.ones(5, int)
    x = np.vstack([x, -x])
    y = np.concatenate([y, 1 - y])
    found = fit(x, y)
    assert found.converged
    uniform = Separator(np.ones(5, np.float32), np.float32(0.0))
    np.testing.assert_allclose(mistake_bound(uniform, x, y), (4 + 1) / (2 / np.sqrt(5)) ** 2, rtol=1e-5)
    assert found.mistakes <= 6


def test_what_no_plane_separates_never_converges_and_the_average_is_the_better_plane():
    x, y = load_breast_cancer(return_X_y=True)
    x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)[:, :10]
    found = fit(x, y, max_passes=30)
    assert not found.converged
    assert found.passes == 30
    assert mistake_bound(found.last, x, y) == np.inf
    accuracies = [np.mean(predict(plane, x) == y) for plane in (found.last, found.average)]
    assert accuracies[1] > max(accuracies[0], 0.94)


def test_the_average_is_over_every_row_of_every_pass():
    x, y = np.array([[1.0, 2.0], [-1.0, 0.5], [2.0, -1.0]], np.float32), np.array([1, 0, 0])
    found = fit(x, y)
    w, history, mistakes, passes, before = np.zeros(3), [], 0, 0, -1
    while mistakes != before:
        before, passes = mistakes, passes + 1
        for row, label in zip(np.column_stack([x, np.ones(3)]), y, strict=True):
            sign = 2 * label - 1
            if sign * (w @ row) <= 0:
                w, mistakes = w + sign * row, mistakes + 1
            history.append(w)
    assert (found.mistakes, found.passes, found.converged) == (mistakes, passes, True)
    np.testing.assert_allclose([*found.average.weights, found.average.bias], np.mean(history, axis=0), rtol=1e-6)


def test_exclusive_or_and_one_class_and_equal_rows():
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    assert not fit(corners, np.array([0, 1, 1, 0]), max_passes=50).converged
    assert fit(corners, np.array([0, 1, 1, 1]), max_passes=50).converged
    only = fit(corners, np.ones(4, int), max_passes=50)
    assert only.converged
    np.testing.assert_array_equal(predict(only.last, corners), np.ones(4))
    assert not fit(np.zeros((4, 2), np.float32), np.array([0, 1, 1, 1]), max_passes=50).converged


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"x, y: got shapes \(3, 2\) and \(2,\)"):
        fit(np.zeros((3, 2)), np.zeros(2))
