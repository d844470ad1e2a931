"""Snapshots: what is kept and when, alone and side by side."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.core.scan import repeat
from mlr_jax.core.sweep import sweep
from mlr_jax.core.types import Learner
from mlr_jax.generative.snapshots import snapshots


class State(NamedTuple):
    """How many steps were taken, and the sum of what each added."""

    step: jax.Array
    total: jax.Array
    hypers: jax.Array


def add(state, batch):
    """One more step."""
    return state._replace(step=state.step + 1, total=state.total + state.hypers), {"total": state.total}


counter = Learner(lambda key, hypers: State(jnp.int32(0), jnp.zeros(()), hypers), add, lambda state, batch: {})
watched = snapshots(counter, lambda state: state.total * jnp.ones(3), every=2, count=3)


def test_the_pictures_of_even_steps_are_kept_as_many_as_there_is_room_for():
    state, _ = repeat(watched, 5)(watched.init(jax.random.key(0), jnp.float32(1.5)), None)
    np.testing.assert_allclose(state.taken[:, 0], [3.0, 6.0, 0.0])
    state, _ = repeat(watched, 6)(state, None)
    np.testing.assert_allclose(state.taken, np.tile([[3.0], [6.0], [9.0]], 3))
    assert state.inner.step == 11


@pytest.mark.parametrize("layout", ["vmap", "map"])
def test_members_keep_their_own(layout):
    swept = sweep(watched, layout)
    state = swept.init(jax.random.split(jax.random.key(0), 2), jnp.float32([1.0, 2.0]))
    state, _ = repeat(swept, 7)(state, None)
    np.testing.assert_allclose(state.taken[:, :, 0], [[2.0, 4.0, 6.0], [4.0, 8.0, 12.0]])


def test_numbers_that_are_not_positive_are_refused():
    with pytest.raises(ValueError, match="snapshots: got every=0 and count=3"):
        snapshots(counter, lambda state: state.total, every=0, count=3)
