"""DQN: its loss by hand, its targets, its values beside the exact ones of a small world, each keyword."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rl.aiming import AIMING

from mlr_jax.nn.mlp import MLP
from mlr_jax.rl import dynamic_programming as dp
from mlr_jax.rl import probe_environments as probes
from mlr_jax.rl.dqn import Hypers, dqn, epsilon_at, loss_of
from mlr_jax.rl.mdp import random_mdp
from mlr_jax.rl.mdp_world import world_of
from mlr_jax.rl.networks import SmallCNN
from mlr_jax.rl.q_network import QNetwork
from mlr_jax.rl.replay import Recollection, Target, n_step_target, recall

STATES, ACTIONS = 5, 3
ALL = {"double": True, "prioritised": True, "n_step": 3}


class Table(nn.Module):
    """Q(s, a) as a table of parameters, for one-hot states."""

    @nn.compact
    def __call__(self, observations):
        return nn.Dense(ACTIONS, use_bias=False)(observations)


@pytest.fixture(scope="module")
def mdp():
    return random_mdp(jax.random.key(3), STATES, ACTIONS)


@pytest.fixture(scope="module")
def certain():
    """Every action leads to one state."""
    return random_mdp(jax.random.key(3), STATES, ACTIONS, branching=1)


@pytest.mark.parametrize("double", [False, True])
def test_the_loss_is_that_of_a_computation_by_hand(double):
    rng = np.random.default_rng(0)
    online, target = rng.normal(size=(2, STATES, ACTIONS))
    s, a, following = np.array([0, 3, 4]), np.array([2, 0, 1]), np.array([1, 2, 0])
    reward, discount, weights = np.array([1.0, 0.5, -2.0]), np.array([0.9, 0.81, 0.0]), np.array([1.0, 0.5, 0.25])
    expected, errors = 0.0, []
    for i in range(3):
        chosen = np.argmax((online if double else target)[following[i]])
        errors.append(reward[i] + discount[i] * target[following[i], chosen] - online[s[i], a[i]])
        expected += weights[i] * errors[-1] ** 2 / 2 / 3
    seen, ahead = jnp.eye(STATES)[s], jnp.eye(STATES)[following]
    batch = Recollection(seen, jnp.asarray(a), Target(reward, discount, jnp.zeros(3, int)), ahead)
    params = [{"params": {"Dense_0": {"kernel": jnp.asarray(table, jnp.float32)}}} for table in (online, target)]

    def loss_at(online):
        return loss_of(Table(), online, params[1], batch, jnp.asarray(weights), double=double)

    loss, (found, q) = loss_at(params[0])
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(found, errors, rtol=1e-5)
    assert float(q) == pytest.approx(online[s].max(1).mean(), rel=1e-5)
    gradient, _ = jax.grad(loss_at, has_aux=True)(params[0])
    by_hand = np.zeros((STATES, ACTIONS))
    np.add.at(by_hand, (s, a), -weights * errors / 3)  # the target is not differentiated
    np.testing.assert_allclose(gradient["params"]["Dense_0"]["kernel"], by_hand, atol=1e-6)


@pytest.mark.parametrize(
    ("terminated", "ended", "expected"),
    [
        ([0, 0, 0], [0, 0, 0], (1 + 0.5 * 2 + 0.25 * 4, 0.125, 2)),
        ([0, 1, 0], [0, 1, 0], (1 + 0.5 * 2, 0.0, 1)),
        ([0, 0, 0], [1, 0, 0], (1, 0.5, 0)),
        ([1, 0, 0], [1, 0, 1], (1, 0.0, 0)),
        ([0, 0, 1], [0, 0, 1], (3, 0.0, 2)),
    ],
    ids=["goes on", "ends within", "is cut off within", "ends at once", "ends at last"],
)
def test_returns_over_several_steps_stop_where_the_episode_does(terminated, ended, expected):
    flags = (jnp.array(flag, jnp.float32) for flag in (terminated, ended))
    found = n_step_target(jnp.array([1.0, 2.0, 4.0]), *flags, 0.5)
    np.testing.assert_allclose(jnp.stack(found), expected)


def test_what_followed_is_recalled_from_the_slots_of_the_same_environment(mdp):
    learner = dqn(world_of(mdp, 4, one_hot=True), Table(), num_envs=2, capacity=20, warmup=20)
    state = jax.jit(learner.init)(jax.random.key(0), Hypers())
    items = jax.tree.map(np.asarray, state.replay.buffer.items)
    found = recall(state.replay.buffer.items, jnp.arange(14), num_envs=2, n_step=3, discount=0.9)
    assert items.ended.reshape(10, 2)[3::4].all()
    for slot in range(14):
        reward, at = items.reward[slot], slot
        for power in (1, 2):
            if items.ended[at]:
                break
            np.testing.assert_array_equal(items.next_observation[at], items.observation[at + 2])
            at += 2
            reward += 0.9**power * items.reward[at]
        assert float(found.target.reward[slot]) == pytest.approx(reward, rel=1e-5)
        np.testing.assert_array_equal(found.next_observation[slot], items.next_observation[at])


def learned(mdp, hypers, **keywords):
    """The table [S, A] after 12,000 steps."""
    learner = dqn(
        world_of(mdp, 10, one_hot=True), Table(), num_envs=8, updates=2, batch_size=64, capacity=800, warmup=400,
        target_every=20, **keywords,
    )  # fmt: skip
    state = jax.jit(learner.init)(jax.random.key(0), hypers)
    state, _ = jax.jit(lambda state: jax.lax.scan(learner.step, state, None, length=1500))(state)
    return state.params["params"]["Dense_0"]["kernel"]


@pytest.mark.parametrize("keywords", [{}, {"double": True}, {"prioritised": True}], ids=str)
def test_it_finds_the_exact_values_of_a_world_without_chance_although_episodes_are_cut_off(keywords, certain):
    q = learned(certain, Hypers(2e-2, 0.8, exploration_steps=1e9), **keywords)
    exact = dp.solve(dp.value_iteration(STATES), dp.Hypers(0.8), certain)
    np.testing.assert_allclose(q, exact.action_values, atol=0.01)


@pytest.mark.parametrize("keywords", [{"n_step": 3}, ALL], ids=str)
def test_returns_over_several_steps_find_the_exact_values_of_the_policy_that_is_played(keywords, certain):
    q = learned(certain, Hypers(2e-2, 0.8, exploration_steps=8000, exploration_end=0.0), **keywords)
    values = dp.policy_values(certain, dp.epsilon_greedy(q, 0.0), 0.8)
    np.testing.assert_allclose(q.max(1), values, atol=0.01)
    best = dp.solve(dp.value_iteration(STATES), dp.Hypers(0.8), certain).values
    assert float((best - values).max()) < 0.05 * float(best.max())


PROBES = {
    probes.constant_reward: {0.0: [1, 1]},
    probes.known_reward: {-1.0: [-1, -1], 1.0: [1, 1]},
    probes.known_discount: {0.0: [0.8, 0.8], 1.0: [1, 1]},
    probes.action_decides: {0.0: [0, 1]},
    probes.observation_decides: {-1.0: [1, 0], 1.0: [0, 1]},
}
"""Exact values of both actions by observation, for a discount of 0.8."""


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.__name__)
def test_it_solves_the_probes_to_the_exact_value(probe):
    model = QNetwork(MLP((), 16), 2)
    learner = dqn(probe(), model, num_envs=8, batch_size=64, capacity=800, warmup=400, target_every=10)
    state = jax.jit(learner.init)(jax.random.key(0), Hypers(1e-2, 0.8, exploration_steps=1e9))
    state, _ = jax.jit(lambda state: jax.lax.scan(learner.step, state, None, length=800))(state)
    for observation, values in PROBES[probe].items():
        np.testing.assert_allclose(model.apply(state.params, jnp.array([[observation]]))[0], values, atol=0.02)


def test_chance_falls_along_a_line():
    hypers = Hypers(exploration_steps=100.0, exploration_end=0.2)
    found = [epsilon_at(jnp.int32(steps), hypers) for steps in (0, 50, 100, 500)]
    np.testing.assert_allclose(found, [1, 0.6, 0.2, 0.2], rtol=1e-6)


def test_a_dueling_network_is_value_plus_centred_advantage():
    model = QNetwork(MLP((8,), 8), ACTIONS, dueling=True)
    x = jax.random.normal(jax.random.key(0), (4, STATES))
    params = model.init(jax.random.key(1), x)
    q = model.apply(params, x)
    features = jax.nn.relu(MLP((8,), 8).apply({"params": params["params"]["torso"]}, x))
    value = features @ params["params"]["values"]["kernel"]
    np.testing.assert_allclose(q.mean(1), value[:, 0], atol=1e-5)
    assert float(jnp.ptp(q)) > 0


def test_grids_are_seen_by_a_convolution():
    model = QNetwork(SmallCNN(channels=4, width=8), ACTIONS)
    x = jnp.zeros((2, 10, 10, 3))
    assert model.apply(model.init(jax.random.key(0), x), x).shape == (2, ACTIONS)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"capacity": 1005}, "capacity: got 1005, must be a multiple of the 10"),
        ({"warmup": 1005}, "warmup: got 1005, must be a multiple of the 10"),
        ({"warmup": 20_000}, "at most the capacity"),
        ({"warmup": 10, "n_step": 3}, "at least 30"),
        ({"n_step": 0}, "n_step: got 0, must be at least 1"),
        ({"batch_size": 0}, "batch_size: got 0, must be at least 1"),
    ],
)
def test_sizes_that_do_not_fit_are_errors(keywords, message, mdp):
    with pytest.raises(ValueError, match=message):
        dqn(world_of(mdp, 5, one_hot=True), Table(), **keywords)


def test_continuous_actions_are_an_error():
    with pytest.raises(ValueError, match="dqn: got Aiming, whose actions are continuous"):
        dqn(AIMING, Table())
