"""What experiments with agents share: flags that make no sense, evaluation on the same episodes, pictures."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.core.sweep import sweep
from mlr_jax.experiment.agent import AgentSettings, agent_experiment, environment_of, film, learning_curves
from mlr_jax.nn.mlp import MLP
from mlr_jax.rl.dqn import Hypers, dqn, policy
from mlr_jax.rl.q_network import QNetwork
from mlr_jax.train.evaluate import evaluate

CONFIG = AgentSettings(episodes=3)


@pytest.fixture(scope="module")
def experiment():
    world, model = environment_of(CONFIG), QNetwork(MLP((), 4), 2)
    learner = dqn(world, model, num_envs=2, batch_size=4, capacity=20, warmup=10)
    return agent_experiment(CONFIG, world, learner, Hypers(), policy(model), steps_at_once=2, goal=475.0)


@pytest.fixture(scope="module")
def state(experiment):
    keys = jax.vmap(jax.random.key)(jnp.arange(2))
    hypers = jax.tree.map(lambda value: jnp.full(2, value), experiment.hypers)
    return jax.jit(sweep(experiment.learner).init)(keys, hypers)


def test_every_evaluation_plays_the_same_episodes(experiment, state):
    play = jax.jit(sweep(experiment.learner).evaluate)
    first, second = (evaluate(play, state, experiment.evaluations["test"]()) for _ in range(2))
    np.testing.assert_array_equal(first["return"], second["return"])
    assert first["return"].shape == (2,)
    np.testing.assert_array_equal(first["return"], first["length"])  # each step earns 1


def test_an_episode_of_the_first_member_is_shown(experiment, state):
    figure = experiment.figures(state)["episode"]
    assert figure.axes[0].get_title() == "0"
    assert film(environment_of(CONFIG)._replace(name="unknown"), None, state) == {}


def test_curves_count_the_steps_of_the_environment():
    history = [{"step": 5, "test_return": [1.0, 2.0]}, {"step": 10, "train_loss": [1, 1], "test_return": [3.0, 4.0]}]
    figure = learning_curves(history, [{"seed": 0}, {"seed": 1}], 20, 475.0)["returns"]
    np.testing.assert_array_equal(figure.axes[0].get_lines()[0].get_xdata(), [100, 200])
    np.testing.assert_array_equal(figure.axes[0].get_lines()[0].get_ydata(), [1.5, 3.5])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"environment": "Cartpole"}, "--environment: got 'Cartpole'; near matches are CartPole-v1"),
        ({"episodes": 0}, "--episodes: got 0"),
    ],
)
def test_flags_that_make_no_sense_are_named(flags, message):
    with pytest.raises(ValueError, match=message):
        environment_of(replace(CONFIG, **flags))
