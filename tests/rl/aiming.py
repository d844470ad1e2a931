"""A continuous world of known value: two shots at a point that is seen, the second of which is worth twice."""

import jax
import jax.numpy as jnp

from mlr_jax.rl.world import World


def _see(state):
    aim, time = state
    return jnp.stack([aim, time.astype(jnp.float32)])


def reset(key, params):
    """A point between 0 and 2."""
    state = jax.random.uniform(key, maxval=2.0), jnp.int32(0)
    return _see(state), state


def step(key, state, action, params):
    """The reward is 1 less the squared distance; at the second shot twice that."""
    aim, time = state
    reward = (1.0 + time) * (1.0 - jnp.square(action[0] - aim))
    terminated = time == 1
    first, begun = reset(key, params)
    moved = (aim, time + 1)
    observation, state = jax.tree.map(
        lambda new, old: jnp.where(terminated, new, old), (first, begun), (_see(moved), moved)
    )
    return observation, state, reward, terminated, jnp.bool_(False), {"final_observation": _see(moved)}


AIMING = World(reset, step, None, (2,), None, jnp.array([-2.0]), jnp.array([4.0]), "Aiming")
