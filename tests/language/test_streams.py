import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.core.scan import repeat
from mlr_jax.core.types import Learner
from mlr_jax.language.streams import streams

SHOWN = Learner(lambda key, hypers: jnp.int32(0), lambda state, batch: (state + 1, batch), lambda state, batch: batch)
N, B, T = 40, 3, 4
PER_EPOCH = (N - T) // (B * T)


def test_each_row_goes_on_where_it_ended_and_begins_anew_with_the_epoch_only():
    learner = streams(SHOWN, B, T)
    _, shown = repeat(learner, 4 * PER_EPOCH)(learner.init(jax.random.key(0), None), 10 * jnp.arange(N))
    x, y, starts = (np.asarray(shown[name]) for name in ("x", "y", "starts"))
    np.testing.assert_array_equal(x + 10, y)
    np.testing.assert_array_equal(starts, (np.arange(4 * PER_EPOCH) % PER_EPOCH == 0)[:, None].repeat(B, 1))
    goes_on = x[1:, :, 0] == y[:-1, :, -1]
    np.testing.assert_array_equal(goes_on, ~starts[1:])
    seen = x.reshape(4, -1)
    assert all(len(set(epoch)) == PER_EPOCH * B * T for epoch in seen)  # no token twice in an epoch
    assert len({epoch.min() for epoch in seen}) > 1  # and not the same ones in each


def test_what_does_not_fit_is_an_error():
    with pytest.raises(ValueError, match="rows, length: got 0, 3"):
        streams(SHOWN, 0, 3)
    learner = streams(SHOWN, B, T)
    state = learner.init(jax.random.key(0), None)
    learner.step(state, jnp.arange((B + 1) * T))
    with pytest.raises(ValueError, match="a text of 15 tokens is shorter than 16"):
        learner.step(state, jnp.arange((B + 1) * T - 1))
