import pytest

from mlr_jax.report import formatting


@pytest.mark.parametrize(
    ("mean", "ci95", "text"),
    [
        (0.971234, 0.003149, "0.9712 ± 0.0031"),
        (12345.6, 12.3, "12346 ± 12"),
        (12345.6, 1234.5, "12346 ± 1234"),
        (-1.5, 0.25, "-1.50 ± 0.25"),
        (0.5, None, "0.5"),
        (0.5, 0.0, "0.5 ± 0"),
        (None, None, "-"),
        (3.2e-9, 1.1e-9, "3.2e-09 ± 1.1e-09"),
        (4.56e9, 1.2e8, "4.56e+09 ± 1.2e+08"),
    ],
)
def test_uncertain(mean, ci95, text):
    assert formatting.uncertain(mean, ci95) == text


def test_a_difference_has_a_sign():
    assert formatting.uncertain(0.02, 0.01, sign=True) == "+0.020 ± 0.010"
    assert formatting.uncertain(0.02, None, sign=True) == "+0.02"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.123456, "0.1235"), (1e-5, "1e-05"), (123456.7, "123457"), (1e8, "1e+08"), (7, "7"), (None, "-"), ("x", "x")],
)
def test_number(value, text):
    assert formatting.number(value) == text
    assert formatting.number(float("nan")) == "-"


def test_interval_counts_the_diverged():
    entry = {"mean": 2.0, "ci95": 0.5, "members": [], "diverged": 2}
    assert formatting.interval(entry) == "2.00 ± 0.50 (2 diverged)"


def test_words():
    assert formatting.words("confusion_matrix") == "Confusion matrix"
    assert formatting.words("ROC_curve") == "ROC curve"
