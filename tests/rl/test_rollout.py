"""Trajectories hang together, and where an episode is cut off its last state keeps its value."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.ops.returns import gae
from mlr_jax.rl.environment import make
from mlr_jax.rl.probe_environments import chain
from mlr_jax.rl.rollout import begin, memory_after, rollout

GAMMA = 0.9


def right(key, memory, observation, start):
    """Always to the right; the memory counts the steps of the episode."""
    memory = jnp.where(start, 0, memory) + 1
    return jnp.ones(start.shape, jnp.int32), memory, memory


def played(steps, end=3, num_envs=2):
    environment = chain(4, end)
    actors = begin(environment, environment.params, jax.random.key(0), num_envs, jnp.zeros(num_envs, jnp.int32))
    return rollout(environment, environment.params, right, actors, jax.random.key(1), num_steps=steps)


def test_episodes_follow_one_another():
    actors, trajectory = played(7)
    np.testing.assert_array_equal(jnp.argmax(trajectory.observation, -1)[:, 0], [0, 1, 2, 0, 1, 2, 0])
    np.testing.assert_array_equal(jnp.argmax(trajectory.final_observation, -1)[:, 0], [1, 2, 3, 1, 2, 3, 1])
    np.testing.assert_array_equal(trajectory.start[:, 0], [1, 0, 0, 1, 0, 0, 1])
    np.testing.assert_array_equal(trajectory.ended[:, 0], [0, 0, 1, 0, 0, 1, 0])
    assert not trajectory.terminated.any()
    np.testing.assert_array_equal(trajectory.noted[:, 0], [1, 2, 3, 1, 2, 3, 1])
    np.testing.assert_array_equal(memory_after(actors, trajectory), trajectory.noted)
    np.testing.assert_array_equal(actors.last_return, 3.0)
    np.testing.assert_array_equal(actors.earned, 1.0)


@pytest.mark.parametrize("end", [1, 3, 1000])
@pytest.mark.parametrize("trace", [0.0, 0.95, 1.0])
def test_the_value_of_a_world_without_end_does_not_depend_on_where_episodes_are_cut(end, trace):
    """Every state is worth 1 / (1 - gamma): with that for V, nothing is better than expected, at a cut too."""
    _, trajectory = played(7, end)
    value = jnp.full(trajectory.reward.shape, 1.0 / (1.0 - GAMMA))
    discounts, traces = GAMMA * (1.0 - trajectory.terminated), trace * (1.0 - trajectory.ended)
    advantage = jax.vmap(gae, in_axes=1, out_axes=1)(trajectory.reward, discounts, value, value, traces)
    np.testing.assert_allclose(advantage, 0.0, atol=1e-5)


def test_a_rollout_goes_on_where_the_last_one_stopped():
    environment = make("CartPole-v1")

    def act(key, memory, observation, start):
        return (observation[:, 2] > 0).astype(jnp.int32), memory, ()

    play = jax.jit(lambda actors, key: rollout(environment, environment.params, act, actors, key, num_steps=3))
    actors = begin(environment, environment.params, jax.random.key(0), 2)
    between, first = play(actors, jax.random.key(1))
    _, second = play(between, jax.random.key(2))
    np.testing.assert_array_equal(first.final_observation[-1], second.observation[0])
    np.testing.assert_array_equal(first.final_observation[:-1], first.observation[1:])


def test_a_rollout_takes_the_steps_of_the_environment():
    """Beginnings are prepared beforehand there; the states are those of `Environment.step`, but for rounding."""
    environment = make("CartPole-v1", max_steps_in_episode=3)

    def act(key, memory, observation, start):
        return jax.random.bernoulli(key, 0.5, start.shape).astype(jnp.int32), memory, ()

    actors = begin(environment, environment.params, jax.random.key(0), 2)
    after, trajectory = rollout(environment, environment.params, act, actors, jax.random.key(1), num_steps=8)
    assert trajectory.ended.sum() == 4
    keys = jax.random.split(jax.random.split(jax.random.key(1))[1], (8, 2))
    step, state = jax.jit(jax.vmap(environment.step, (0, 0, 0, None))), actors.env_state
    for time in range(8):
        one = step(keys[time], state, trajectory.action[time], environment.params)
        state = one.state
        np.testing.assert_allclose(one.info["final_observation"], trajectory.final_observation[time], atol=1e-6)
    np.testing.assert_allclose(one.observation, after.observation, atol=1e-6)


def test_no_environment_is_an_error():
    environment = chain()
    with pytest.raises(ValueError, match="num_envs: got 0"):
        begin(environment, environment.params, jax.random.key(0), 0)
