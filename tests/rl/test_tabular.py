"""Tables learned from experience beside the exact solution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.rl import dynamic_programming as dp
from mlr_jax.rl import tabular
from mlr_jax.rl.environment import make
from mlr_jax.rl.mdp import MDP, random_mdp
from mlr_jax.rl.mdp_world import world_of

STATES = 5


@pytest.fixture(scope="module")
def mdp():
    return random_mdp(jax.random.key(3), STATES, 2)


def learned(make, mdp, hypers, *, rollout=10_000, steps=3, seeds=8, max_steps=10):
    """The mean over seeds of the table, [S, A]."""
    learner = make(world_of(mdp, max_steps), STATES, rollout=rollout)

    def run(key):
        state = learner.init(key, hypers)
        return jax.lax.scan(learner.step, state, None, length=steps)[0].values

    return jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(0), seeds)).mean(0)


@pytest.mark.parametrize(
    ("make", "is_on_policy"), [(tabular.q_learning, False), (tabular.sarsa, True), (tabular.expected_sarsa, True)]
)
def test_each_method_finds_the_exact_values_of_what_it_learns_about(make, is_on_policy, mdp):
    hypers = tabular.Hypers(discount=0.8, epsilon=0.4, decay=0.7)
    exact = dp.solve(dp.value_iteration(STATES), dp.Hypers(0.8, 0.4 if is_on_policy else 0.0), mdp)
    other = dp.solve(dp.value_iteration(STATES), dp.Hypers(0.8, 0.0 if is_on_policy else 0.4), mdp)
    error = float(jnp.abs(learned(make, mdp, hypers) - exact.action_values).max())
    assert error < 0.08
    assert error < 0.3 * float(jnp.abs(other.action_values - exact.action_values).max())


def test_three_updates_by_hand():
    """A corridor 0 - 1 - 2 with its end at 2, entered with reward 1: one action, no chance."""
    move = jnp.array([[[0, 1, 0.0]], [[0, 0, 1]], [[0, 0, 1]]])
    at_end = jnp.array([0, 0, 1.0])
    corridor = MDP(move, jnp.broadcast_to(at_end, (3, 1, 3)), at_end, jnp.array([1.0, 0, 0]))
    hypers = tabular.Hypers(learning_rate=0.5, decay=0.0, discount=0.9)
    for method in (tabular.sarsa, tabular.expected_sarsa, tabular.q_learning):
        learner = method(world_of(corridor, 10), 3, rollout=4)
        state, metrics = jax.jit(learner.step)(learner.init(jax.random.key(0), hypers), None)
        np.testing.assert_allclose(state.values[:, 0], [0.5 * 0.9 * 0.5, 0.75, 0], rtol=1e-6)
        np.testing.assert_allclose(metrics["reward"], 0.5)
        np.testing.assert_allclose(metrics["squared_error"], np.mean([0, 1, 0.45**2, 0.25]), rtol=1e-6)


def test_an_episode_that_is_only_cut_off_is_worth_what_would_have_followed(mdp):
    hypers = tabular.Hypers(discount=0.8, epsilon=1.0, decay=0.7)
    exact = dp.solve(dp.value_iteration(STATES), dp.Hypers(0.8), mdp).action_values
    np.testing.assert_allclose(learned(tabular.q_learning, mdp, hypers, max_steps=1), exact, atol=0.08)


def test_gymnaxs_lake_is_learned_and_crossed():
    world = make("FrozenLake-misc", is_slippery=False)
    learner = tabular.q_learning(world, 16, rollout=2000)
    hypers = tabular.Hypers(discount=0.9, epsilon=0.3, first_value=1.0)
    state, _ = jax.jit(learner.step)(learner.init(jax.random.key(0), hypers), None)
    played = jax.jit(learner.evaluate)(state, jax.random.split(jax.random.key(1), 3))
    np.testing.assert_array_equal(played["return"], 1)
    np.testing.assert_array_equal(played["length"], 6)
