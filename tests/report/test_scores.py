import numpy as np
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from mlr_jax.report.figures import score_quality
from mlr_jax.report.scores import area_under_roc, average_precision, precision_recall, reliability, roc


@pytest.fixture(scope="module", params=["distinct scores", "many ties"])
def scored(request):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    scores = np.clip(0.3 * labels + rng.uniform(0, 0.7, 200), 0, 1)
    return labels, np.round(scores, 1 if request.param == "many ties" else 12)


def test_curves_are_those_of_scikit_learn(scored):
    false, true, _ = metrics.roc_curve(*scored, drop_intermediate=False)
    np.testing.assert_allclose(np.stack(roc(*scored)), [false, true])
    precision, recall, _ = metrics.precision_recall_curve(*scored)
    np.testing.assert_allclose(np.stack(precision_recall(*scored)), [recall[-2::-1], precision[-2::-1]])
    assert area_under_roc(*scored) == pytest.approx(metrics.roc_auc_score(*scored))
    assert average_precision(*scored) == pytest.approx(metrics.average_precision_score(*scored))


def test_reliability_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    probabilities = rng.random(300) ** 2
    labels = (rng.random(300) < probabilities).astype(int)
    share, mean = calibration_curve(labels, probabilities, n_bins=10)
    found = reliability(labels, probabilities)
    np.testing.assert_allclose(found[:2], [mean, share])
    assert found[2].sum() == 300
    np.testing.assert_array_equal(reliability([1, 0], [1.0, 0.0])[0], [0, 1])


def test_the_figure_tells_the_areas(scored, pixels):
    figure = score_quality({"ours": scored, "other": (scored[0], 1 - scored[1])})
    first, second, third = figure.axes
    assert f"ours {area_under_roc(*scored):.3f}" in [text.get_text() for text in first.get_legend().get_texts()]
    assert f"ours {average_precision(*scored):.3f}" in [text.get_text() for text in second.get_legend().get_texts()]
    assert third.get_title(loc="left") == "Calibration"
    assert pixels(figure).std() > 5
    assert len(score_quality({"ours": scored}, calibrated=False).axes) == 2


@pytest.mark.parametrize(("labels", "scores"), [([1, 1], [0.5, 0.6]), ([0, 1], [0.5]), ([0, 2], [0.1, 0.2])])
def test_what_has_no_curve_is_refused(labels, scores):
    with pytest.raises(ValueError, match="wanted labels"):
        roc(labels, scores)
