"""Every environment of gymnax through one interface, its parameters traced, and clear errors."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.core.hypers import as_arrays, members
from mlr_jax.rl import ppo
from mlr_jax.rl.environment import (
    action_bounds,
    env_params_of,
    from_gymnax,
    make,
    names,
    number_of_actions,
    with_env_params,
)
from mlr_jax.rl.probe_environments import chain


def any_action(environment):
    return jnp.int32(0) if environment.num_actions else jnp.zeros(environment.action_low.shape)


def types(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype, leaf.weak_type), tree)


@pytest.mark.parametrize("name", names())
def test_a_step_keeps_the_shapes_and_types_of_a_reset(name):
    environment, key = make(name), jax.random.key(0)
    observation, state = jax.eval_shape(environment.reset, key, environment.params)
    after = jax.eval_shape(environment.step, key, state, any_action(environment), environment.params)
    assert types((after.observation, after.state)) == types((observation, state))
    assert types(after.info["final_observation"]) == types(observation)
    assert observation.shape == environment.observation_shape
    assert (after.reward.dtype, after.terminated.dtype, after.truncated.dtype) == (jnp.float32, bool, bool)


@pytest.mark.parametrize("name", ["CartPole-v1", "MountainCar-v0"])
def test_a_step_is_that_of_gymnax_itself(name):
    import gymnax

    environment, key = make(name, max_steps_in_episode=2), jax.random.key(3)
    theirs, _ = gymnax.make(name)
    _, state = environment.reset(key, environment.params)
    for time in range(3):
        arguments = jax.random.fold_in(key, time), state, jnp.int32(1), environment.params
        ours, expected = environment.step(*arguments), theirs.step(*arguments)
        jax.tree.map(np.testing.assert_array_equal, ours[:5], expected[:5])
        np.testing.assert_array_equal(ours.info["final_observation"], expected[5]["final_observation"])
        state = ours.state


def test_what_an_episode_ended_with_is_not_the_beginning_of_the_next():
    environment, key = make("CartPole-v1", max_steps_in_episode=3), jax.random.key(1)
    step = jax.jit(environment.step)
    _, state = environment.reset(key, environment.params)
    for time in range(3):
        after = step(jax.random.fold_in(key, time), state, jnp.int32(1), environment.params)
        assert bool(after.truncated) == (time == 2)
        assert not after.terminated
        agrees = np.array_equal(after.observation, after.info["final_observation"])
        assert agrees == (time < 2)
        state = after.state
    assert state.time == 0
    assert np.abs(after.observation).max() <= 0.05
    assert np.abs(after.info["final_observation"]).max() > 0.05


def test_an_unknown_name_lists_the_near_matches():
    with pytest.raises(ValueError, match=r"got 'Cartpole-v1'; near matches are CartPole-v1"):
        make("Cartpole-v1")
    with pytest.raises(ValueError, match="MNISTBandit"):
        make("MNISTBandit-bsuite")


def test_other_mistakes_are_named():
    with pytest.raises(ValueError, match=r"CartPole-v1: got 'lenght'.*length"):
        make("CartPole-v1", lenght=1.0)
    with pytest.raises(ValueError, match="max_steps_in_episode=0, an episode has at least 1 step"):
        make("CartPole-v1", max_steps_in_episode=0)
    with pytest.raises(ValueError, match="sac: got CartPole-v1, whose actions are discrete"):
        action_bounds(make("CartPole-v1"), "sac")
    with pytest.raises(ValueError, match="dqn: got Pendulum-v1, whose actions are continuous"):
        number_of_actions(make("Pendulum-v1"), "dqn")
    with pytest.raises(ValueError, match="got 'weight', its numbers are"):
        with_env_params(ppo.Hypers(), make("CartPole-v1"), ["weight"])


def test_constructor_arguments_and_parameters_may_both_be_changed():
    environment = make("MemoryChain-bsuite", num_bits=3, memory_length=9)
    assert environment.observation_shape == (5,)
    assert environment.params.memory_length == 9


def test_any_object_with_the_interface_is_taken():
    import gymnax

    built, params = gymnax.make("Pendulum-v1")
    environment = from_gymnax(built, params.replace(g=1.0))
    assert environment.name == "Pendulum-v1"
    np.testing.assert_array_equal(environment.action_high, [2.0])


def test_parameters_among_the_hyper_parameters_are_traced_and_swept():
    environment = make("CartPole-v1")
    hypers = with_env_params(ppo.Hypers(), environment, ["gravity", "max_steps_in_episode"])
    assert hypers.env_gravity == pytest.approx(9.8)
    assert type(hypers) is type(with_env_params(ppo.Hypers(), environment, ["gravity", "max_steps_in_episode"]))
    _, stacked, rows = members(jax.random.split(jax.random.key(0), 2), hypers, {"env_gravity": [1.0, 20.0]})
    assert len(rows) == 4
    key = jax.random.key(0)
    _, state = environment.reset(key, environment.params)

    @partial(jax.vmap, in_axes=0)
    def step(hypers):
        return environment.step(key, state, jnp.int32(1), env_params_of(environment, hypers)).observation

    moved = step(stacked)
    np.testing.assert_array_equal(moved[0], moved[1])
    assert (moved[0] != moved[2]).any()
    assert "env_total_mass" in with_env_params(ppo.Hypers(), environment)._fields
    assert env_params_of(environment, as_arrays(ppo.Hypers())) is environment.params


def test_the_chain_goes_right_and_left_and_stops_at_its_ends():
    environment, key = chain(3, end=9), jax.random.key(0)
    _, state = environment.reset(key, environment.params)
    places = [0]
    for action in (0, 1, 1, 1, 0):
        after = environment.step(key, state, jnp.int32(action), environment.params)
        state = after.state
        places.append(int(jnp.argmax(after.observation)))
    assert places == [0, 0, 1, 2, 2, 1]
