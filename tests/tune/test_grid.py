from typing import NamedTuple

import numpy as np
import pytest

from mlr_jax.tune.grid import grid, member, split_shared


class Hypers(NamedTuple):
    a: float = 1.0
    b: float = 2.0
    c: float = 3.0


def test_a_grid_is_every_combination_with_the_last_field_fastest():
    hypers = grid(Hypers(), c=[10, 20], a=[1, 2, 3])
    np.testing.assert_array_equal(hypers.c, [10, 10, 10, 20, 20, 20])
    np.testing.assert_array_equal(hypers.a, [1, 2, 3, 1, 2, 3])
    assert hypers.b == 2.0
    assert grid(Hypers()) == Hypers()


def test_a_member_is_one_setting():
    hypers = grid(Hypers(), a=[1, 2, 3])
    assert member(hypers, 1) == Hypers(2, 2.0, 3.0)


def test_shared_fields_get_no_axis():
    hypers = Hypers(np.arange(3.0), 5.0, np.ones((3, 2)))
    members, rebuild = split_shared(hypers)
    assert [leaf.shape for leaf in members] == [(3,), (3, 2)]
    rebuilt = rebuild([leaf[1] for leaf in members])
    assert rebuilt.a == 1.0
    assert rebuilt.b == 5.0
    np.testing.assert_array_equal(rebuilt.c, [1, 1])
    members, rebuild = split_shared(Hypers())
    assert members[0].shape == (1,)
    assert rebuild([members[0][0]]) == Hypers()


def test_errors_are_one_line():
    with pytest.raises(ValueError, match="field: got 'd', allowed are a, b, c"):
        grid(Hypers(), d=[1])
    with pytest.raises(ValueError, match="field a: got no values, at least one is needed"):
        grid(Hypers(), a=[])
    with pytest.raises(ValueError, match=r"hypers: got fields of \[2, 3\] members, wanted one number M or no axis"):
        split_shared(Hypers(np.ones(2), np.ones(3)))
