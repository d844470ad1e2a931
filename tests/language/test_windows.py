import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.core.scan import repeat
from mlr_jax.core.types import Learner
from mlr_jax.language.windows import random_windows

SHOWN = Learner(lambda key, hypers: jnp.int32(0), lambda state, batch: (state + 1, batch), lambda state, batch: batch)


def test_windows_are_pieces_of_the_text_from_anywhere_and_the_targets_stand_one_place_on():
    learner = random_windows(SHOWN, 50, 3)
    _, shown = repeat(learner, 4)(learner.init(jax.random.key(0), None), jnp.arange(8) * 10)
    np.testing.assert_array_equal(shown["x"] + 10, shown["y"])
    np.testing.assert_array_equal(shown["x"][..., 1:], shown["y"][..., :-1])
    assert set(np.unique(shown["x"][..., 0])) == {0, 10, 20, 30, 40}
    assert len({tuple(starts) for starts in np.asarray(shown["x"][..., 0])}) == 4


def test_what_does_not_fit_is_an_error():
    learner = random_windows(SHOWN, 1, 3)
    with pytest.raises(ValueError, match="a text of 3 tokens has no window"):
        learner.step(learner.init(jax.random.key(0), None), jnp.arange(3))
    with pytest.raises(ValueError, match="batch_size, context: got 0, 3"):
        random_windows(SHOWN, 0, 3)
