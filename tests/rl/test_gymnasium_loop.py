"""A policy of known behaviour in a Python environment."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.rl import gymnasium_loop
from mlr_jax.rl.play import Policy


class Counter:
    """Counts up to `3 + seed`; an action earns itself."""

    def reset(self, seed):
        self.end, self.time = 3 + seed, 0
        return np.float64(0), {}

    def step(self, action):
        assert isinstance(action, int)
        self.time += 1
        return np.float64(self.time), action, self.time == self.end, False, {}

    def render(self):
        return np.full((2, 2, 3), self.time, np.uint8)


SQUARES = Policy(lambda: jnp.int32(0), lambda state, memory, seen, key: (memory * memory + state, memory + 1))


def test_episodes_are_played_to_their_end_with_the_policys_memory_begun_anew():
    result, frames = gymnasium_loop.play_episodes(Counter(), SQUARES, jnp.int32(1), jax.random.key(0), 2, frames=True)
    np.testing.assert_array_equal(result["length"], [3, 4])
    np.testing.assert_array_equal(result["return"], [0 + 1 + 4 + 3, 0 + 1 + 4 + 9 + 4])
    np.testing.assert_array_equal([frame[0, 0, 0] for frame in frames], [0, 1, 2])


def test_gymnasiums_cart_is_gymnaxs():
    """The pole of a policy that pushes where it leans stands as long in both."""
    pytest.importorskip("gymnasium")
    from mlr_jax.rl.environment import make
    from mlr_jax.rl.play import play_episodes

    lean = Policy(lambda: None, lambda state, memory, seen, key: ((seen[2] + seen[3] > 0).astype(jnp.int32), None))
    environment, world = gymnasium_loop.make("CartPole-v1"), make("CartPole-v1")
    there, _ = gymnasium_loop.play_episodes(environment, lean, None, jax.random.key(0), 20)
    here = jax.jit(lambda keys: play_episodes(world, lean, None, keys))
    found = here(jax.random.split(jax.random.key(0), 200))["return"]
    error = (there["return"].std() ** 2 / 20 + found.std() ** 2 / 200) ** 0.5
    assert there["return"].mean() == pytest.approx(float(found.mean()), abs=4 * float(error))


def test_what_cannot_be_played_is_an_error(monkeypatch):
    with pytest.raises(ValueError, match="episodes: got 0"):
        gymnasium_loop.play_episodes(Counter(), SQUARES, jnp.int32(1), jax.random.key(0), 0)
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(ImportError, match=r"pip install 'mlr-jax\[gymnasium\]'"):
        gymnasium_loop.make("CartPole-v1")


def test_an_unknown_name_is_an_error():
    pytest.importorskip("gymnasium")
    with pytest.raises(ValueError, match="environment: got 'CartPoul-v1'"):
        gymnasium_loop.make("CartPoul-v1")
