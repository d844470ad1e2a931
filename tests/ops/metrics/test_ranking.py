from functools import partial

import jax
import numpy as np
import pytest
from ops.metrics.metric_case import ROWS, check, check_weights
from ops.metrics.test_classification import of_scores, problem
from sklearn import metrics as sk

from mlr_jax.ops.metrics import ranking as ours

ovr = partial(ours.roc_auc, multiclass="ovr")
ovo = partial(ours.roc_auc, multiclass="ovo")


def of_class_1(function):
    return lambda y, prediction, weight: function(y, prediction[:, 1], sample_weight=weight)


@pytest.mark.parametrize(
    ("metric", "reference"), [(ours.roc_auc, sk.roc_auc_score), (ours.average_precision, sk.average_precision_score)]
)
def test_two_classes_as_in_scikit_learn(metric, reference):
    check(metric, of_class_1(reference), *problem(2), repeats=metric is ours.roc_auc)


def test_scores_of_class_1_may_come_alone_and_have_any_sign():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, ROWS).astype(np.int32)
    scores = np.round(rng.normal(size=ROWS) + y, 1)
    scores[scores == 0] *= -1
    scores[:3] = 0.0
    with jax.enable_x64(True):
        for metric, reference in [
            (ours.roc_auc, sk.roc_auc_score),
            (ours.average_precision, sk.average_precision_score),
        ]:
            np.testing.assert_allclose(metric(y, scores), reference(y, scores), rtol=1e-12)


def test_each_class_against_the_rest_as_in_scikit_learn():
    check(ovr, of_scores(sk.roc_auc_score, multi_class="ovr"), *problem(4))
    check(ours.average_precision, of_scores(sk.average_precision_score), *problem(4), repeats=False)


def test_each_class_against_each_other_as_in_scikit_learn():
    check(
        ovo, lambda y, p, _: sk.roc_auc_score(y, p, multi_class="ovo"), *problem(4),
        weight_in_reference=False, repeats=False,
    )  # fmt: skip
    check_weights(ovo, *problem(4))


def test_by_counting_pairs():
    y, scores = problem(2)
    positive, negative = scores[y == 1, 1][:, None], scores[y == 0, 1][None]
    expected = np.mean((positive > negative) + 0.5 * (positive == negative))
    with jax.enable_x64(True):
        np.testing.assert_allclose(ours.roc_auc(y, scores), expected, rtol=1e-12)


def test_classes_without_rows():
    y, scores = problem(4)
    present = y != 2
    for multiclass in ("ovr", "ovo"):
        metric = partial(ours.roc_auc, multiclass=multiclass)
        without = scores[present][:, [0, 1, 3]]
        relabelled = np.searchsorted([0, 1, 3], y[present])
        with jax.enable_x64(True):
            np.testing.assert_allclose(metric(y[present], scores[present]), metric(relabelled, without), rtol=1e-12)
    y, scores = problem(2)
    assert np.isnan(ours.roc_auc(np.zeros(ROWS, int), scores))
    assert ours.average_precision(np.zeros(ROWS, int), scores) == 0


def test_a_score_that_is_not_a_number_has_no_rank():
    y, scores = problem(2)
    scores[3] = np.nan
    assert np.isnan(ours.roc_auc(y, scores))
    assert np.isnan(ours.average_precision(y, scores))


def test_the_way_of_many_classes_is_checked():
    with pytest.raises(ValueError, match="multiclass: got 'all', allowed are ovr, ovo"):
        ours.roc_auc(*problem(4), multiclass="all")
