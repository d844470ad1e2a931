"""Exact solutions beside brute force, and the lake beside gymnax's."""

from functools import partial

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.rl import dynamic_programming as dp
from mlr_jax.rl.mdp import LARGE_LAKE, SMALL_LAKE, frozen_lake, random_mdp


def q_by_hand(mdp, discount, epsilon=0.0, sweeps=2000):
    """Loops over states, actions and successors until nothing changes, in float64."""
    p, r, terminal = (np.asarray(table, np.float64) for table in mdp[:3])
    states, actions, _ = p.shape
    values = np.zeros(states)
    for _ in range(sweeps):
        q = np.zeros((states, actions))
        for s in range(states):
            for a in range(actions if not terminal[s] else 0):
                q[s, a] = sum(
                    p[s, a, t] * (r[s, a, t] + discount * (1 - terminal[t]) * values[t]) for t in range(states)
                )
        new = (1 - epsilon) * q.max(1) + epsilon * q.mean(1)
        if np.abs(new - values).max() < 1e-10:
            break
        values = new
    return q


@pytest.mark.parametrize("method", [dp.value_iteration, dp.policy_iteration])
@pytest.mark.parametrize("epsilon", [0.0, 0.2])
def test_both_methods_find_the_values_of_brute_force(method, epsilon):
    mdp = random_mdp(jax.random.key(3), 6, 3)
    solution = dp.solve(method(6), dp.Hypers(0.9, epsilon), mdp)
    np.testing.assert_allclose(solution.action_values, q_by_hand(mdp, 0.9, epsilon), atol=2e-5)
    assert int(solution.iterations) <= (10 if method is dp.policy_iteration else 200)


def test_a_small_lake_without_ice_is_crossed_in_six_moves():
    solution = dp.solve(dp.policy_iteration(16), dp.Hypers(0.9), frozen_lake(SMALL_LAKE, success=1.0))
    assert solution.values[0] == pytest.approx(0.9**5, rel=1e-5)
    assert solution.values[15] == 0


def test_no_policy_of_a_tiny_process_is_better():
    mdp = random_mdp(jax.random.key(0), 4, 2, branching=2)
    best = dp.solve(dp.value_iteration(4), dp.Hypers(0.8), mdp).values
    every_policy = jnp.array(np.indices((2,) * 4).reshape(4, -1).T)
    values = jax.vmap(lambda actions: dp.policy_values(mdp, jax.nn.one_hot(actions, 2), 0.8))(every_policy)
    np.testing.assert_allclose(values.max(0), best, atol=1e-5)


def test_a_policys_values_are_the_returns_of_playing_it():
    mdp = frozen_lake()
    policy = jnp.full((16, 4), 0.25)
    exact = float(dp.policy_values(mdp, policy, 0.95)[0])

    def play(key):
        def move(carry, key):
            state, discount, total = carry
            action_key, move_key = jax.random.split(key)
            action = jax.random.categorical(action_key, jnp.log(policy[state]))
            after = jax.random.categorical(move_key, jnp.log(mdp.transition[state, action]))
            total += discount * mdp.reward[state, action, after]
            return (after, discount * 0.95 * (1 - mdp.terminal[after]), total), None

        return jax.lax.scan(move, (0, 1.0, 0.0), jax.random.split(key, 60))[0][2]

    returns = jax.jit(jax.vmap(play))(jax.random.split(jax.random.key(1), 20_000))
    assert float(returns.mean()) == pytest.approx(exact, abs=4 * float(returns.std()) / 20_000**0.5)


@pytest.mark.parametrize(("name", "lake"), [("4x4", SMALL_LAKE), ("8x8", LARGE_LAKE)])
def test_the_lake_moves_as_gymnaxs_does(name, lake):
    environment, params = gymnax.make("FrozenLake-misc", map_name=name)
    mdp, draws = frozen_lake(lake), 600
    step = jax.vmap(jax.vmap(environment.step_env, (0, None, None, None)), (None, None, 0, None))
    step = jax.jit(jax.vmap(step, (None, 0, None, None)))
    _, first = environment.reset_env(jax.random.key(0), params)
    count = len(mdp.terminal)
    states = jax.tree.map(lambda leaf: jnp.full(count, leaf), first).replace(position=jnp.arange(count))
    keys = jax.random.split(jax.random.key(2), draws)
    observation, _, reward, terminated, _ = step(keys, states, jnp.arange(4), params)
    frequency = jax.nn.one_hot(observation, count).mean(2)
    inside = np.asarray(mdp.terminal) == 0
    np.testing.assert_allclose(frequency[inside], mdp.transition[inside], atol=0.1)
    assert ((np.asarray(frequency) > 0) == (np.asarray(mdp.transition) > 0)).all()
    np.testing.assert_array_equal(terminated, mdp.terminal[observation])
    np.testing.assert_array_equal(reward, (observation == count - 1) * 1.0)


def test_discounts_are_swept_in_one_program():
    mdp = random_mdp(jax.random.key(3), 6, 3)
    discounts = jnp.array([0.5, 0.9])
    solve = partial(dp.solve, dp.policy_iteration(6))
    swept = jax.jit(jax.vmap(lambda discount: solve(dp.Hypers(discount), mdp).values))(discounts)
    for discount, values in zip(discounts, swept, strict=True):
        np.testing.assert_allclose(values, solve(dp.Hypers(discount), mdp).values, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: frozen_lake(("SF", "F")), "rows of one length"),
        (lambda: frozen_lake(("SX", "FG")), "made of S, F, H and G"),
        (lambda: frozen_lake(("FF", "FG")), "exactly one"),
        (lambda: random_mdp(jax.random.key(0), 3, 2, branching=4), "allowed are 1 to the 3 states"),
    ],
)
def test_what_makes_no_sense_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
