"""SAC: its losses by hand, the density of its policy by quadrature, its values in a world that is solved on paper."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rl.aiming import AIMING

from mlr_jax.rl import probe_environments as probes
from mlr_jax.rl.environment import action_bounds
from mlr_jax.rl.experience import Transition
from mlr_jax.rl.mdp import random_mdp
from mlr_jax.rl.mdp_world import world_of
from mlr_jax.rl.sac import (
    Hypers,
    actor_loss,
    critic_loss,
    draw_actions,
    networks_of,
    policy,
    sac,
    stretch,
)

SMALL = {"hidden": (8,), "capacity": 20, "warmup": 10}


@pytest.fixture(scope="module")
def trained():
    learner = sac(AIMING, hidden=(32, 32), num_envs=4, updates=2, batch_size=64, capacity=4000, warmup=400)
    hypers = Hypers(3e-3, 0.9, target_rate=0.05, target_entropy=-3.0)
    state = jax.jit(learner.init)(jax.random.key(0), hypers)
    state, metrics = jax.jit(lambda state: jax.lax.scan(learner.step, state, None, length=1500))(state)
    return learner, state, metrics


def test_the_losses_are_those_of_a_computation_by_hand():
    networks = networks_of(AIMING, (8,))
    learner = sac(AIMING, **SMALL)
    state = jax.jit(learner.init)(jax.random.key(0), Hypers(discount=0.9, first_temperature=0.3))
    state = state._replace(target_critics=jax.tree.map(lambda leaf: 1.1 * leaf + 0.05, state.target_critics))
    rng = np.random.default_rng(0)
    seen, following = (jnp.asarray(part, jnp.float32) for part in rng.normal(size=(2, 3, 2)))
    action, reward, terminated = (
        jnp.array([[0.2], [-0.4], [0.9]]),
        jnp.array([1.0, -1.0, 2.0]),
        jnp.array([0.0, 1.0, 0.0]),
    )
    batch = Transition(seen, action, reward, terminated, terminated, following)
    key = jax.random.key(7)

    def two_values(params, x, a):
        """Both perceptrons, layer by layer."""
        params, x = jax.tree.map(np.asarray, params), np.concatenate([x, a], axis=1)
        found = []
        for index in range(2):
            layers = params["params"][f"MLP_{index}"]
            hidden = np.maximum(x @ layers["Dense_0"]["kernel"] + layers["Dense_0"]["bias"], 0)
            found.append((hidden @ layers["Dense_1"]["kernel"] + layers["Dense_1"]["bias"])[:, 0])
        return np.stack(found)

    a_next, log_prob = draw_actions(networks, state.params.actor, following, key)
    soft = two_values(state.target_critics, following, a_next).min(0) - 0.3 * np.asarray(log_prob)
    y = np.asarray(reward) + 0.9 * (1 - np.asarray(terminated)) * soft
    expected = ((y - two_values(state.params.critics, seen, action)) ** 2).sum(0).mean() / 2
    assert float(critic_loss(networks, state.params.critics, state, batch, key)) == pytest.approx(expected, rel=1e-4)

    a_own, log_prob = draw_actions(networks, state.params.actor, seen, key)
    expected = np.mean(0.3 * np.asarray(log_prob) - two_values(state.params.critics, seen, a_own).min(0))
    loss, entropy = actor_loss(networks, state.params.actor, state.params.critics, seen, key, temperature=0.3)
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    assert float(entropy) == pytest.approx(-float(log_prob.mean()), rel=1e-5)


PROBES = {
    probes.constant_reward: ({0.0: 1}, None),
    probes.known_reward: ({-1.0: -1, 1.0: 1}, None),
    probes.known_discount: ({0.0: 0.8, 1.0: 1}, None),
    probes.action_decides: ({0.0: 1}, {0.0: 0.5}),
    probes.observation_decides: ({-1.0: 1, 1.0: 1}, {-1.0: -0.5, 1.0: 0.5}),
}
"""The exact value of the best action by observation, for a discount of 0.8, and that action where it matters."""


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.__name__)
def test_it_solves_the_probes_to_the_exact_value(probe):
    world, hidden = probe(continuous=True), (16,)
    learner = sac(world, hidden=hidden, num_envs=8, updates=2, batch_size=64, capacity=800, warmup=400)
    hypers = Hypers(1e-2, 0.8, target_rate=0.1, target_entropy=-3.0, first_temperature=0.01)
    state = jax.jit(learner.init)(jax.random.key(0), hypers)
    state, _ = jax.jit(lambda state: jax.lax.scan(learner.step, state, None, length=600))(state)
    values, actions = PROBES[probe]
    for observation, value in values.items():
        seen = jnp.array([observation])
        action, _ = policy(world, hidden).act(state, None, seen, jax.random.key(0))
        q = networks_of(world, hidden).critics.apply(state.params.critics, seen[None], action[None])
        np.testing.assert_allclose(q[0], value, atol=0.06)
        if actions is not None:
            assert float(action[0]) == pytest.approx(actions[observation], abs=0.1)


def test_it_aims_where_it_should_and_knows_what_that_is_worth(trained):
    learner, state, _ = trained
    played = jax.jit(learner.evaluate)(state, jax.random.split(jax.random.key(1), 64))
    np.testing.assert_array_equal(played["length"], 2)
    np.testing.assert_allclose(played["return"], 3, atol=0.15)
    aims = jnp.linspace(0.3, 1.7, 8)
    for time, value in ((0, 1 + 0.9 * 2), (1, 2)):
        seen = jnp.stack([aims, jnp.full(8, float(time))], axis=1)
        act = policy(AIMING, (32, 32)).act
        actions = jnp.stack([act(state, None, row, jax.random.key(0))[0] for row in seen])
        np.testing.assert_allclose(actions[:, 0], aims, atol=0.25)
        inside = (actions - 1.0) / 3.0
        q = networks_of(AIMING, (32, 32)).critics.apply(state.params.critics, seen, inside)
        np.testing.assert_allclose(q.min(1), value, atol=0.3)


def test_the_temperature_keeps_the_entropy_at_its_target(trained):
    _, _, metrics = trained
    assert float(metrics["entropy"][-300:].mean()) == pytest.approx(-3.0, abs=0.3)
    assert 0 < float(metrics["temperature"][-1]) < 1


def test_actions_are_stretched_to_the_bounds():
    np.testing.assert_allclose(stretch(jnp.array([-1.0]), action_bounds(AIMING, "sac")), [-2])
    np.testing.assert_allclose(stretch(jnp.array([1.0]), action_bounds(AIMING, "sac")), [4])


def test_discrete_actions_are_an_error():
    world = world_of(random_mdp(jax.random.key(0), 3, 2), 5, one_hot=True)
    with pytest.raises(ValueError, match="sac: got MDP, whose actions are discrete; needed are continuous ones"):
        sac(world)


def test_counts_below_one_are_named():
    with pytest.raises(ValueError, match="updates: got 0, must be at least 1"):
        sac(AIMING, updates=0)
