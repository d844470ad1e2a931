from functools import partial

import jax
import numpy as np
import pytest
from ops.metrics.metric_case import ROWS, check
from sklearn import metrics as sk

from mlr_jax.ops.metrics import classification as ours


def problem(num_classes, seed=0):
    """Labels and probabilities in tenths, so that there are ties, leaning towards the labels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, num_classes, ROWS).astype(np.int32)
    counts = rng.multinomial(10, np.full(num_classes, 1 / num_classes), ROWS)
    counts[np.arange(ROWS), y] += rng.integers(0, 4, ROWS)
    return y, counts / counts.sum(axis=1, keepdims=True)


def of_labels(function, **options):
    """A function of scikit-learn that takes labels, as one of scores."""

    def reference(y, prediction, weight):
        return function(y, prediction.argmax(axis=1), sample_weight=weight, **options)

    return reference


def of_scores(function, **options):
    return lambda y, prediction, weight: function(y, prediction, sample_weight=weight, **options)


EITHER = {
    "accuracy": (ours.accuracy, of_labels(sk.accuracy_score)),
    "balanced accuracy": (ours.balanced_accuracy, of_labels(sk.balanced_accuracy_score)),
    "log loss": (ours.log_loss, of_scores(sk.log_loss)),
    "brier": (ours.brier, of_scores(sk.brier_score_loss)),
    "matthews": (ours.matthews_correlation, of_labels(sk.matthews_corrcoef)),
    "kappa": (ours.cohen_kappa, of_labels(sk.cohen_kappa_score)),
    "kappa linear": (partial(ours.cohen_kappa, cost="linear"), of_labels(sk.cohen_kappa_score, weights="linear")),
    "kappa quadratic": (
        partial(ours.cohen_kappa, cost="quadratic"),
        of_labels(sk.cohen_kappa_score, weights="quadratic"),
    ),
    **{
        f"{name} {average}": (partial(metric, average=average), of_labels(function, average=average, zero_division=0))
        for name, metric, function in [
            ("precision", ours.precision, sk.precision_score),
            ("recall", ours.recall, sk.recall_score),
            ("f1", ours.f1, sk.f1_score),
            ("f2", partial(ours.f_beta, beta=2.0), partial(sk.fbeta_score, beta=2.0)),
        ]
        for average in ("macro", "micro", "weighted")
    },
}
BINARY = {
    "precision": (ours.precision, of_labels(sk.precision_score)),
    "recall": (ours.recall, of_labels(sk.recall_score)),
    "f1": (ours.f1, of_labels(sk.f1_score)),
}
MANY = {f"top {k}": (partial(ours.top_k_accuracy, k=k), of_scores(sk.top_k_accuracy_score, k=k)) for k in (1, 2, 3)}


@pytest.mark.parametrize("name", EITHER | BINARY)
def test_two_classes_as_in_scikit_learn(name):
    check(*(EITHER | BINARY)[name], *problem(2))


@pytest.mark.parametrize("name", EITHER | MANY)
def test_four_classes_as_in_scikit_learn(name):
    check(*(EITHER | MANY)[name], *problem(4))


def test_confusion_matrix_and_values_per_class():
    y, scores = problem(4)
    weight = np.random.default_rng(0).uniform(0.1, 2, ROWS)
    with jax.enable_x64(True):
        expected = of_labels(sk.confusion_matrix)(y, scores, weight)
        np.testing.assert_allclose(ours.confusion_matrix(y, scores, weight), expected, rtol=1e-12)
        for metric, function in [
            (ours.precision, sk.precision_score),
            (ours.recall, sk.recall_score),
            (ours.f1, sk.f1_score),
        ]:
            expected = of_labels(function, average=None)(y, scores, weight)
            np.testing.assert_allclose(metric(y, scores, weight, average="none"), expected, rtol=1e-12)


@pytest.mark.parametrize("missing", ["from y", "from both"])
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_a_class_without_rows_is_treated_as_in_scikit_learn(missing):
    y, scores = problem(4)
    present = y != 2
    y, scores = y[present], scores[present]
    if missing == "from both":
        scores[:, 2] = 0
    for name in (
        "balanced accuracy",
        "precision macro",
        "recall macro",
        "f1 macro",
        "f1 weighted",
        "matthews",
        "kappa",
    ):
        metric, reference = EITHER[name]
        np.testing.assert_allclose(metric(y, scores), reference(y, scores, None), rtol=1e-5, err_msg=name)


def test_constant_predictions_and_certain_mistakes():
    y, scores = np.array([0, 1, 1, 0]), np.array([[1.0, 0.0]] * 4)
    with jax.enable_x64(True):
        np.testing.assert_allclose(ours.log_loss(y, scores), sk.log_loss(y, scores), rtol=1e-12)
    assert ours.matthews_correlation(y, scores) == 0
    assert ours.precision(y, scores) == 0
    assert ours.f1(y, scores) == 0
    assert np.isnan(ours.cohen_kappa(np.zeros(4, int), scores))


def test_where_scores_are_equal_the_first_class_is_named():
    y, scores = np.array([0, 1, 2]), np.zeros((3, 3))
    assert ours.accuracy(y, scores) == pytest.approx(1 / 3)
    np.testing.assert_array_equal(ours.confusion_matrix(y, scores)[:, 0], [1, 1, 1])


def test_predictions_that_are_not_numbers_are_not_right():
    y, scores = np.array([0, 1]), np.full((2, 2), np.nan)
    assert ours.accuracy(y, scores) == 0
    assert ours.top_k_accuracy(y, scores, k=1) == 0
    assert np.isnan(ours.log_loss(y, scores))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(3), np.zeros((3, 2))), "y: got dtype float"),
        ((np.zeros(3, int), np.zeros(3)), r"prediction: got shape \(3,\)"),
        ((np.zeros(3, int), np.zeros((3, 1))), r"prediction: got shape \(3, 1\)"),
        ((np.zeros(4, int), np.zeros((3, 2))), "y: got .* rows"),
        ((np.zeros(3, int), np.zeros((3, 2)), np.zeros(2)), "weight: got shape"),
    ],
)
def test_shapes_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        ours.accuracy(*arguments)


def test_options_are_checked():
    y, scores = problem(4)
    with pytest.raises(ValueError, match="average: got 'binary' for 4 classes"):
        ours.f1(y, scores)
    with pytest.raises(ValueError, match="average: got 'mean', allowed are binary"):
        ours.f1(y, scores, average="mean")
    with pytest.raises(ValueError, match="cost: got 'cubic', allowed are equal"):
        ours.cohen_kappa(y, scores, cost="cubic")
    with pytest.raises(ValueError, match="k: got 5, allowed are 1 to the 4"):
        ours.top_k_accuracy(y, scores, k=5)
