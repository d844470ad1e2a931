"""Episodes of known return and length."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.rl.experience import collect, flatten
from mlr_jax.rl.mdp import MDP
from mlr_jax.rl.mdp_world import world_of
from mlr_jax.rl.play import Policy, play_episodes, play_one
from mlr_jax.rl.rollout import begin

STEPS = jnp.eye(4, k=1).at[3, 3].set(1)[:, None]
ENDLESS = MDP(jnp.roll(jnp.eye(4), 1, axis=1)[:, None], jnp.ones((4, 1, 4)), jnp.zeros(4), jnp.eye(4)[0])
CORRIDOR = MDP(STEPS, jnp.broadcast_to(jnp.array([0, 1, 2, 4.0]), (4, 1, 4)), jnp.eye(4)[3], jnp.eye(4)[0])
ONLY = Policy(lambda: None, lambda state, memory, seen, key: (jnp.int32(0), None))


def test_an_episode_earns_what_it_does_up_to_its_end_and_no_more():
    played = play_episodes(world_of(CORRIDOR, 10), ONLY, None, jax.random.split(jax.random.key(0), 3))
    np.testing.assert_array_equal(played["return"], 1 + 2 + 4)
    np.testing.assert_array_equal(played["length"], 3)
    cut = play_episodes(world_of(CORRIDOR, 2), ONLY, None, jax.random.split(jax.random.key(0), 3))
    np.testing.assert_array_equal(cut["return"], 1 + 2)


def test_an_episode_without_end_is_cut_at_the_limit():
    played = play_episodes(world_of(ENDLESS, 10**6), ONLY, None, jax.random.split(jax.random.key(0), 2), limit=7)
    np.testing.assert_array_equal(played["length"], 7)


def test_one_episode_is_seen_step_by_step():
    episode = play_one(world_of(CORRIDOR, 10), ONLY, None, jax.random.key(0), 5)
    np.testing.assert_array_equal(episode.observation[:3], [0, 1, 2])
    np.testing.assert_array_equal(episode.reward, [1, 2, 4, 0, 0])
    np.testing.assert_array_equal(episode.alive, [1, 1, 1, 0, 0])


def test_what_is_collected_tells_an_end_from_a_cut_and_shows_what_was_seen_there():
    for longest, seen_last, terminated in ((10, 3, [0, 0, 1, 0]), (2, 2, [0, 0, 0, 0])):
        world = world_of(CORRIDOR, longest)
        actors = begin(world, world.params, jax.random.key(0), 2)
        act = lambda seen, key: jnp.zeros(2, jnp.int32)  # noqa: E731
        actors, found = collect(world, world.params, actors, jax.random.key(1), act=act, length=4)
        np.testing.assert_array_equal(found.terminated[:, 0], terminated)
        ended = np.flatnonzero(found.ended[:, 0])
        assert found.next_observation[ended[0], 0] == seen_last
        assert found.observation[ended[0] + 1, 0] == 0
        assert actors.last_return[0] == (7 if longest == 10 else 3)
        np.testing.assert_array_equal(flatten(found).reward[::2], found.reward[:, 0])


def test_what_has_no_step_is_an_error():
    with pytest.raises(ValueError, match="max_steps: got 0"):
        world_of(CORRIDOR, 0)
    with pytest.raises(ValueError, match="limit: got 0"):
        play_episodes(world_of(CORRIDOR, 1), ONLY, None, jax.random.split(jax.random.key(0), 2), limit=0)
