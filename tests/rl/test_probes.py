"""Every agent that learns from what it has just played solves the five probes, all five in one compiled program."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from mlr_jax.core.scan import repeat
from mlr_jax.core.schedules import linear_decay
from mlr_jax.core.sweep import sweep
from mlr_jax.rl import a2c, ppo, reinforce
from mlr_jax.rl import probe_environments as probes
from mlr_jax.rl.environment import Environment, with_env_params
from mlr_jax.rl.networks import Perceptron, actor_critic
from mlr_jax.rl.optimizer import clipped_adam

GAMMA = 0.9
MAKERS = (probes.constant_reward, probes.known_reward, probes.known_discount, probes.action_decides,
          probes.observation_decides)  # fmt: skip
SEEN = ([0.0], [-1.0, 1.0], [0.0, 1.0], [0.0], [-1.0, 1.0])
WORTH = ([1.0], [-1.0, 1.0], [GAMMA, 1.0], [1.0], [1.0, 1.0])


class Which(NamedTuple):
    """The number of the probe."""

    probe: int = 0


def all_five(continuous: bool) -> Environment:
    """One environment whose parameter says which probe it is."""
    five = [make(continuous) for make in MAKERS]

    def reset(key, params):
        return lax.switch(params.probe, [lambda key, p=p: p.reset(key, p.params) for p in five], key)

    def transition(key, state, action, params):
        moves = [lambda key, state, action, p=p: p.transition(key, state, action, p.params) for p in five]
        return lax.switch(params.probe, moves, key, state, action)

    return five[0]._replace(reset=reset, transition=transition, params=Which(), name="probes")


def small() -> Perceptron:
    return Perceptron((16,))


UPDATES = 250
AGENTS = {
    "reinforce": (partial(reinforce.reinforce, num_envs=32, num_steps=2), reinforce.Hypers(2e-2, GAMMA), 1, 0),
    "a2c": (partial(a2c.a2c, num_envs=32, num_steps=4), a2c.Hypers(2e-2, GAMMA, entropy_weight=0.0), 1, 0),
    "ppo": (
        partial(ppo.ppo, num_envs=16, num_steps=8, epochs=2, minibatches=2),
        ppo.Hypers(1e-2, GAMMA, entropy_weight=0.0), 4, 0,
    ),
    "ppo recurrent": (
        partial(ppo.ppo, num_envs=16, num_steps=8, epochs=2, minibatches=2),
        ppo.Hypers(1e-2, GAMMA, entropy_weight=0.0), 4, 8,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "continuous"), [*((name, False) for name in AGENTS), ("ppo", True)])
def test_the_exact_values_and_the_best_actions_are_found(name, continuous):
    make, hypers, updates_per_step, memory_width = AGENTS[name]
    environment = all_five(continuous)
    model = actor_critic(environment, small, memory_width)
    steps = UPDATES * (3 if continuous else 1)
    learner = sweep(make(environment, model, clipped_adam(linear_decay(steps * updates_per_step))))
    one = with_env_params(hypers, environment)
    five = jax.tree.map(lambda number: jnp.full(5, number), one)._replace(env_probe=jnp.arange(5))
    state = jax.jit(learner.init)(jax.random.split(jax.random.key(0), 5), five)
    state, _ = repeat(learner, steps)(state, None)
    for probe in range(5):
        params = jax.tree.map(lambda leaf, probe=probe: leaf[probe], state.params)
        # What is seen one after another in an episode is shown so: a memory expects it.
        seen = jnp.array(SEEN[probe]).reshape((-1, 1, 1) if probe == 2 else (1, -1, 1))
        starts = jnp.arange(len(seen))[:, None] == jnp.zeros((1, seen.shape[1]), int)
        _, values, _ = model.apply(params, model.no_memory(seen.shape[1]), seen, starts)
        np.testing.assert_allclose(values.reshape(-1), WORTH[probe], atol=0.05, err_msg=f"probe {probe + 1}")
    returns = jax.jit(learner.evaluate)(state, jax.random.split(jax.random.key(1), 8))["return"]
    np.testing.assert_allclose(returns[np.array([0, 2, 3, 4])], 1.0, atol=0.01)
