"""Each loss on a small trajectory, computed again by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.rl import a2c, ppo, reinforce
from mlr_jax.rl.environment import make
from mlr_jax.rl.networks import Perceptron, SmallCNN, actor_critic
from mlr_jax.rl.on_policy import Experience, agent_of, experience, first_state, within_bounds
from mlr_jax.rl.probe_environments import chain, known_reward
from mlr_jax.rl.rollout import Trajectory

T, N = 3, 2
WORLD = chain(3, 2)
MODEL = actor_critic(WORLD, lambda: Perceptron((4,)))
STARTS = jnp.zeros((T, N), bool).at[0].set(True).at[2].set(True)


@pytest.fixture(scope="module")
def params():
    """Preferences large enough to matter."""
    params = MODEL.init(jax.random.key(0), (), jnp.zeros((1, N, 3)), jnp.zeros((1, N), bool))
    return jax.tree.map(lambda leaf: leaf + jax.random.normal(jax.random.key(leaf.size), leaf.shape), params)


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    log_prob, value, advantage, target = rng.normal(size=(4, T, N)).astype(np.float32)
    return Experience(
        jnp.asarray(rng.normal(size=(T, N, 3)), jnp.float32), STARTS, (), jnp.asarray(rng.integers(0, 2, (T, N))),
        jnp.asarray(0.3 * log_prob - 0.7), jnp.asarray(value), jnp.asarray(advantage), jnp.asarray(target),
    )  # fmt: skip


def as_seen(params, batch):
    """log pi(a | s), the entropy of pi(. | s) and V(s), by numpy from the network's logits."""
    distribution, value, _ = MODEL.apply(params, (), batch.observation, batch.start)
    logits = np.asarray(distribution.logits, np.float64)
    log_probs = logits - np.log(np.sum(np.exp(logits), -1, keepdims=True))
    chosen = np.take_along_axis(log_probs, np.asarray(batch.action)[..., None], -1)[..., 0]
    return chosen, -np.sum(np.exp(log_probs) * log_probs, -1), np.asarray(value, np.float64)


def test_ppo(params, batch):
    hypers = ppo.Hypers(clip=0.2, entropy_weight=0.3, value_weight=0.7)
    log_prob, entropy, value = as_seen(params, batch)
    policy_terms, value_terms = [], []
    advantage = np.asarray(batch.advantage, np.float64)
    advantage = (advantage - advantage.mean()) / advantage.std()
    for index in np.ndindex(T, N):
        ratio = np.exp(log_prob[index] - batch.log_prob[index])
        policy_terms.append(min(ratio * advantage[index], min(max(ratio, 0.8), 1.2) * advantage[index]))
        near = batch.value[index] + min(max(value[index] - batch.value[index], -0.2), 0.2)
        value_terms.append(max((value[index] - batch.target[index]) ** 2, (near - batch.target[index]) ** 2) / 2)
    expected = -np.mean(policy_terms) + 0.7 * np.mean(value_terms) - 0.3 * np.mean(entropy)
    sequences = ppo.in_sequences(batch, 1)
    loss, metrics = ppo.ppo_loss(MODEL, params, sequences, hypers)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_allclose(metrics["policy_loss"], -np.mean(policy_terms), rtol=1e-5)


def test_a2c(params, batch):
    hypers = a2c.Hypers(entropy_weight=0.3, value_weight=0.7)
    log_prob, entropy, value = as_seen(params, batch)
    expected = np.mean(-batch.advantage * log_prob + 0.7 * 0.5 * (value - batch.target) ** 2 - 0.3 * entropy)
    np.testing.assert_allclose(a2c.a2c_loss(MODEL, params, batch, hypers)[0], expected, rtol=1e-5)


@pytest.mark.parametrize("baseline", [False, True])
def test_reinforce(params, batch, baseline):
    """Environment 0 ends at its second step, environment 1 at none: 2 + 3 steps are real."""
    hypers = reinforce.Hypers(discount=0.5, entropy_weight=0.3, value_weight=0.7)
    ended = jnp.zeros((T, N), bool).at[1, 0].set(True)
    reward = jnp.array([[1.0, 2.0], [3.0, 4.0], [100.0, 5.0]])
    played = Trajectory(
        batch.observation, batch.start, (), batch.action, reward, ended, ended, batch.observation, batch.log_prob
    )
    log_prob, entropy, value = as_seen(params, batch)
    returns = {(0, 0): 1 + 0.5 * 3, (1, 0): 3, (0, 1): 2 + 0.5 * (4 + 0.5 * 5), (1, 1): 4 + 0.5 * 5, (2, 1): 5}
    terms = []
    for index, g in returns.items():
        b = value[index] if baseline else 0.0
        learned = 0.7 * 0.5 * (value[index] - g) ** 2 if baseline else 0.0
        terms.append(-(g - b) * log_prob[index] - 0.3 * entropy[index] + learned)
    loss, _ = reinforce.reinforce_loss(MODEL, params, played, hypers, baseline=baseline)
    np.testing.assert_allclose(loss, np.mean(terms), rtol=1e-5)


def test_the_advantage_counts_the_value_of_a_final_observation_where_an_episode_was_cut():
    agent = agent_of(WORLD, MODEL)
    hypers = ppo.Hypers(discount=0.9, trace=0.8)
    state = first_state(agent, N, jax.random.key(0), hypers)
    after, played = experience(agent, state, jax.random.key(1), 4)  # two whole episodes of two steps
    seen = played.observation

    def value(place):
        one_hot = jnp.broadcast_to(jax.nn.one_hot(place, 3), (1, N, 3))
        return MODEL.apply(state.params, (), one_hot, jnp.zeros((1, N), bool))[1][0]

    first = played.action[1] == 1  # where the second action leads to
    place = jnp.where(first, jnp.minimum(jnp.argmax(seen[1], -1) + 1, 2), jnp.maximum(jnp.argmax(seen[1], -1) - 1, 0))
    final = jnp.stack([value(int(p))[0] for p in place])
    delta_1 = 1.0 + 0.9 * final - played.value[1]
    delta_0 = 1.0 + 0.9 * played.value[1] - played.value[0]
    np.testing.assert_allclose(played.advantage[1], delta_1, rtol=1e-5)
    np.testing.assert_allclose(played.advantage[0], delta_0 + 0.9 * 0.8 * delta_1, rtol=1e-5)
    np.testing.assert_allclose(played.target, played.value + played.advantage, rtol=1e-6)
    assert int(after.actors.start.sum()) == N


def test_a_recurrent_network_learns_from_sequences_as_they_were_played():
    """The probabilities of the actions, computed anew from each sequence's first memory, are those of the rollout."""
    environment = chain(3, 5)
    model = actor_critic(environment, lambda: Perceptron((4,)), memory_width=4)
    agent = agent_of(environment, model)
    state = first_state(agent, N, jax.random.key(0), ppo.Hypers())
    state, _ = experience(agent, state, jax.random.key(1), 3)  # a memory that is not zero
    _, played = experience(agent, state, jax.random.key(2), 8)
    for length in (4, 8):
        sequences = ppo.in_sequences(played, length)
        assert sequences.memory.shape == (8 * N // length, 1, 4)
        _, metrics = ppo.ppo_loss(model, state.params, sequences, ppo.Hypers())
        np.testing.assert_allclose(metrics["divergence"], 0.0, atol=1e-6)
        np.testing.assert_allclose(metrics["value_loss"], 0.5 * np.mean(np.square(played.advantage)), rtol=1e-4)


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="minibatches: got 3, must divide the 512 sequences"):
        ppo.ppo(WORLD, minibatches=3)
    with pytest.raises(ValueError, match="sequence: got 7, must divide the 128 steps"):
        ppo.ppo(WORLD, sequence=7)
    with pytest.raises(ValueError, match="num_steps: got 0, an episode has at least 1 step"):
        reinforce.reinforce(WORLD, num_steps=0)
    for make_agent, keywords, message in (
        (a2c.a2c, {"num_steps": 0}, "num_steps: got 0, must be at least 1"),
        (a2c.a2c, {"num_envs": 0}, "num_envs: got 0, must be at least 1"),
        (ppo.ppo, {"num_steps": 0}, "num_steps: got 0, must be at least 1"),
        (ppo.ppo, {"epochs": 0}, "epochs: got 0, must be at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            make_agent(WORLD, **keywords)
    cnn = agent_of(known_reward(), actor_critic(known_reward(), SmallCNN))
    with pytest.raises(ValueError, match="a CNN needs images"):
        first_state(cnn, 1, jax.random.key(0), ppo.Hypers())


def test_actions_are_stretched_to_the_bounds():
    pendulum = make("Pendulum-v1")
    for action, expected in ((-3.0, -2.0), (0.5, 1.0), (1.0, 2.0)):
        np.testing.assert_allclose(within_bounds(pendulum, jnp.array([action])), [expected])
    assert within_bounds(WORLD, jnp.int32(1)) == 1
