import json

import numpy as np
import pytest
from scipy import stats

from mlr_jax.report import statistics

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("count", [2, 3, 8, 40])
def test_interval_is_that_of_scipy(count):
    values = RNG.normal(3.0, 2.0, count)
    low, high = stats.t.interval(0.95, count - 1, loc=values.mean(), scale=stats.sem(values))
    found = statistics.interval(values)
    np.testing.assert_allclose(found["mean"], (low + high) / 2, rtol=1e-12)
    np.testing.assert_allclose(found["ci95"], (high - low) / 2, rtol=1e-12)
    assert found["members"] == values.tolist()
    assert "diverged" not in found


def test_interval_by_hand():
    # s = 1, so the half width is t(2) / sqrt(3) = 4.302653 / 1.732051
    found = statistics.interval([1, 2, 3])
    assert found["mean"] == 2.0
    assert found["ci95"] == pytest.approx(2.484138)


def test_one_member_has_no_interval():
    assert statistics.interval([0.5]) == {"mean": 0.5, "ci95": None, "members": [0.5]}


def test_diverged_members_are_left_out_and_counted():
    found = statistics.interval([1.0, np.nan, 3.0, np.inf])
    assert found["mean"] == 2.0
    assert found["ci95"] == pytest.approx(statistics.interval([1.0, 3.0])["ci95"])
    assert found["members"] == [1.0, None, 3.0, None]
    assert found["diverged"] == 2
    assert statistics.interval([np.nan]) == {"mean": None, "ci95": None, "members": [None], "diverged": 1}
    json.dumps(found, allow_nan=False)


def test_t_interval_over_the_last_axis_is_interval_row_by_row():
    values = RNG.normal(size=(5, 4))
    values[1, 2], values[2, 1:], values[3] = np.nan, np.inf, np.nan
    mean, half_width = statistics.t_interval(values)
    rows = [statistics.interval(row) for row in values]
    np.testing.assert_array_equal(mean, np.array([row["mean"] for row in rows], float))
    np.testing.assert_array_equal(half_width, np.array([row["ci95"] for row in rows], float))


@pytest.mark.parametrize("values", [[], 1.0, [[1.0]]])
def test_interval_refuses_other_shapes(values):
    with pytest.raises(ValueError, match=r"interval: wanted values of shape \[M\]"):
        statistics.interval(values)


def test_difference_is_welch_of_scipy():
    a, b = RNG.normal(1.0, 1.0, 7), RNG.normal(0.0, 5.0, 12)
    reference = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    found = statistics.difference(a, b)
    assert found["mean"] == pytest.approx(a.mean() - b.mean())
    assert found["ci95"] == pytest.approx((reference.high - reference.low) / 2)
    assert statistics.difference(b, a)["mean"] == -found["mean"]


def test_difference_where_it_is_undefined():
    assert statistics.difference([2.0], [1.0, 3.0]) == {"mean": 0.0, "ci95": None}
    assert statistics.difference([np.nan], [1.0]) == {"mean": None, "ci95": None}
    assert statistics.difference([2.0, 2.0], [1.0, 1.0]) == {"mean": 1.0, "ci95": 0.0}
    assert statistics.difference([2.0, np.inf, 4.0], [1.0, 1.0])["mean"] == 2.0


@pytest.mark.parametrize("count", [1, 3, 4, 5, 10, 16])
def test_interquartile_mean_is_the_trimmed_mean_of_scipy(count):
    values = RNG.normal(size=count) ** 3
    assert statistics.interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25))


def test_interquartile_mean_of_no_finite_value():
    assert statistics.interquartile_mean([np.nan]) is None
    assert statistics.interquartile_mean([np.nan, 0.0, 1.0, 2.0, 300.0]) == 1.5


def test_groups_hold_the_members_of_one_setting():
    members = [{"seed": s, "learning_rate": r} for s in (0, 1) for r in (0.1, 0.01)]
    groups = statistics.group_by_hypers(members, {"loss": np.asarray([1.0, 2.0, 3.0, 5.0])})
    assert [group["hypers"] for group in groups] == [{"learning_rate": 0.1}, {"learning_rate": 0.01}]
    assert [group["metrics"]["loss"] for group in groups] == [statistics.interval([1, 3]), statistics.interval([2, 5])]


def test_the_order_of_the_fields_does_not_split_a_group():
    members = [{"seed": 0, "a": 1, "b": 2}, {"b": 2, "a": 1, "seed": 1}]
    assert statistics.settings(members) == [({"a": 1, "b": 2}, [0, 1])]


def test_an_unswept_run_is_one_group():
    (group,) = statistics.group_by_hypers([{"seed": 0}, {"seed": 1}], {"loss": [1.0, 2.0]})
    assert group["hypers"] == {}


def test_groups_refuse_a_metric_of_another_length():
    with pytest.raises(ValueError, match="'loss' has 3 values for 2 members"):
        statistics.group_by_hypers([{"seed": 0}, {"seed": 1}], {"loss": [1.0, 2.0, 3.0]})
