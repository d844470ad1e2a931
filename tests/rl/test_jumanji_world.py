"""A stand-in with jumanji's interface: counts to three, where it ends or is cut off."""

import sys
from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.rl.jumanji_world import jumanji_world


class TimeStep(NamedTuple):
    step_type: jax.Array
    reward: jax.Array
    discount: jax.Array
    observation: dict


class Counting:
    def __init__(self, last_discount, spec):
        self.last_discount, self.action_spec = last_discount, spec

    def reset(self, key):
        state = {"count": jnp.int32(0), "key": key}
        return state, TimeStep(jnp.int32(0), jnp.float32(0), jnp.float32(1), {"count": state["count"]})

    def step(self, state, action):
        count = state["count"] + action
        is_last = count >= 3
        discount = jnp.where(is_last, self.last_discount, 1.0)
        step_type = jnp.where(is_last, 2, 1)
        return {**state, "count": count}, TimeStep(step_type, count * 1.0, discount, {"count": count})


DISCRETE = SimpleNamespace(num_values=2, shape=(), dtype=np.dtype("int32"))
BOUNDED = SimpleNamespace(minimum=-1.0, maximum=[1.0, 2.0], shape=(2,), dtype=np.dtype("float32"))


@pytest.mark.parametrize("last_discount", [0.0, 1.0], ids=["ends", "is cut off"])
def test_the_next_episode_begins_by_itself_and_the_end_is_told(last_discount):
    world = jumanji_world(Counting(last_discount, DISCRETE), lambda observation: observation["count"])
    key, step = jax.random.key(1), jax.jit(world.step)
    observation, state = world.reset(key, None)
    seen = []
    for _ in range(4):
        observation, state, reward, terminated, truncated, info = step(key, state, jnp.int32(1), None)
        seen.append(
            [int(observation), float(reward), bool(terminated), bool(truncated), int(info["final_observation"])]
        )
    ends = last_discount == 0
    assert seen == [
        [1, 1.0, False, False, 1], [2, 2.0, False, False, 2], [0, 3.0, ends, not ends, 3], [1, 1.0, False, False, 1]
    ]  # fmt: skip
    assert world.num_actions == 2
    assert world.observation_shape == ()


def test_bounds_are_taken_over():
    world = jumanji_world(Counting(0.0, BOUNDED), lambda observation: observation["count"])
    np.testing.assert_array_equal(world.action_low, [-1, -1])
    np.testing.assert_array_equal(world.action_high, [1, 2])
    assert world.num_actions is None


def test_what_cannot_be_used_is_an_error(monkeypatch):
    several = SimpleNamespace(num_values=np.array([2, 3]), shape=(2,), dtype=np.dtype("int32"))
    with pytest.raises(ValueError, match="environment: got actions"):
        jumanji_world(Counting(0.0, several), lambda observation: observation["count"])
    monkeypatch.setitem(sys.modules, "jumanji", None)
    with pytest.raises(ImportError, match=r"pip install 'mlr-jax\[jumanji\]'"):
        jumanji_world("Snake-v1")
