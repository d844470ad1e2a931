"""A continuous world of known value: two shots at a point that is seen, the second of which is worth twice."""

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.rl.environment import Environment


def _see(state):
    aim, time = state
    return jnp.stack([aim, time.astype(jnp.float32)])


def reset(key, params):
    """A point between 0 and 2."""
    state = jax.random.uniform(key, maxval=2.0), jnp.int32(0)
    return _see(state), state


def shoot(key, state, action, params):
    """The reward is 1 less the squared distance; at the second shot twice that."""
    aim, time = state
    after = (aim, time + 1)
    return _see(after), after, (1.0 + time) * (1.0 - jnp.square(action[0] - aim)), time == 1, jnp.bool_(False)


AIMING = Environment(reset, shoot, None, (2,), None, np.array([-2.0]), np.array([4.0]), "Aiming")
