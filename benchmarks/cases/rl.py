"""Agents beside purejaxrl and Stable-Baselines3 at the same settings, and environments alone.

The number of an agent is its last mean return: of a run that goes on and on, where a peer's begins anew or is slower.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks.case import Asked, Case, Make, Program, Work, computed
from benchmarks.peers import agents
from mlr_jax.core.hypers import members
from mlr_jax.core.scan import repeat
from mlr_jax.core.schedules import linear_decay
from mlr_jax.core.sweep import sweep
from mlr_jax.rl import ppo
from mlr_jax.rl.environment import make
from mlr_jax.rl.optimizer import clipped_adam

UPDATES = 96
"""Of one call, each of 4 environments x 128 steps."""

PEER_UPDATES = 8
"""Of one call of Stable-Baselines3, which is slow enough."""

RATES = (1e-4, 2.5e-4, 5e-4, 1e-3)


def ppo_1(asked: Asked) -> Case:
    """PPO on CartPole, one seed."""
    return _agents(asked, 1)


def ppo_16(asked: Asked) -> Case:
    """16 seeds in one program; Stable-Baselines3 trains one after another."""
    return _agents(asked, asked.of(16, 2))


def ppo_512(asked: Asked) -> Case:
    """A sweep of 128 seeds x 4 learning rates in one program."""
    return _agents(asked, asked.of(128, 1), RATES)


def environment(asked: Asked, name: str, count: int) -> Case:
    """An environment alone under random actions, `count` side by side: the sum of rewards."""
    world = make(name)
    assert world.num_actions is not None
    num_actions = world.num_actions
    steps = asked.of(max(200, 200_000 // count), 4)

    def play(key: jax.Array) -> jax.Array:
        keys = jax.random.split(key, count)
        _, state = jax.vmap(world.reset, (0, None))(keys, world.params)

        def step(state: Any, key: jax.Array) -> tuple[Any, jax.Array]:
            action_key, step_key = jax.random.split(key)
            actions = jax.random.randint(action_key, (count,), 0, num_actions)
            keys = jax.random.split(step_key, count)
            after = jax.vmap(world.step, (0, 0, 0, None))(keys, state, actions, world.params)
            return after.state, after.reward.sum()

        return lax.scan(step, state, jax.random.split(key, steps))[1].sum()

    return Case({"ours": computed(play, jax.random.key(0))}, {}, count * steps, "steps", steps)


def _agents(asked: Asked, seeds: int, rates: tuple[float, ...] = ()) -> Case:
    updates = asked.of(UPDATES if not rates else 4, 1)
    learner = ppo.ppo(make("CartPole-v1"), optimizer=clipped_adam(linear_decay(10**6)))
    keys = jax.random.split(jax.random.key(0), seeds)
    if seeds > 1 or rates:
        learner = sweep(learner)
        keys, hypers, _ = members(keys, ppo.Hypers(), {"learning_rate": rates} if rates else {})
    else:
        keys, hypers = keys[0], ppo.Hypers()
    state = jax.jit(learner.init)(keys, hypers)
    number = lambda metrics: jnp.mean(metrics["return"][-1])  # noqa: E731
    ours = Program(repeat(learner, updates), (state, None), number, carries=True)
    peers = {}
    if asked.peers and asked.purejaxrl is not None and not rates:
        peers["purejaxrl"] = Work(agents.purejaxrl(asked.purejaxrl, seeds, updates))
    if asked.beside("stable_baselines3") and not rates:
        few = asked.of(PEER_UPDATES, 1)
        peers["Stable-Baselines3"] = Work(agents.stable_baselines3(few), share=few / (updates * seeds))
    items = updates * agents.STEPS_AT_ONCE * seeds * max(len(rates), 1)
    return Case({"ours": ours}, peers, items, "steps", updates)


CASES: dict[str, Make] = {
    "ppo_1": ppo_1,
    "ppo_16": ppo_16,
    "ppo_512": ppo_512,
    "cartpole": partial(environment, name="CartPole-v1", count=256),
    "breakout": partial(environment, name="Breakout-MinAtar", count=256),
}
