"""Deep Q-learning (Mnih et al., 2015), and what has been added to it, each by a keyword.

    y = r_t + gamma r_{t+1} + ... + gamma^n max_a Q_target(s_{t+n}, a),    loss = mean of w (y - Q(s_t, a_t))² / 2

double:      the online network chooses the action that the target network values (van Hasselt et al., 2016)
prioritised: what surprised is seen more often, and weighs less (Schaul et al., 2016)
n_step:      returns over n steps (Sutton, 1988; in DQN: Hessel et al., 2018)
A dueling network is one that `q_network.py: QNetwork` makes.
"""

import math
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import lax

from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.schedules import Schedule, constant
from mlr_jax.core.types import Key, Learner, Metrics
from mlr_jax.rl import replay as memory
from mlr_jax.rl.environment import Environment, env_params_of, number_of_actions
from mlr_jax.rl.experience import blank, check_memory, collect, flatten
from mlr_jax.rl.play import Policy, play_episodes
from mlr_jax.rl.replay import Recollection, Replay, Target
from mlr_jax.rl.rollout import Actors, begin, check_counts


class Hypers(NamedTuple):
    """What a sweep can vary."""

    learning_rate: float = 2.5e-4
    discount: float = 0.99
    exploration_steps: float = 250_000.0
    """Environment steps over which the chance of a random action falls from 1 to its end."""
    exploration_end: float = 0.05
    target_rate: float = 1.0
    """How far the target network moves towards the online one, when it does."""
    clip_norm: float = math.inf
    priority_exponent: float = 0.6
    importance_exponent: float = 0.4
    """Prioritised replay draws in proportion to |error|^priority_exponent, and undoes so much of it by weights."""


class State(NamedTuple):
    """Everything that the agent needs to go on."""

    step: jax.Array
    key: Key
    hypers: Hypers
    params: Any
    target_params: Any
    opt_state: Any
    replay: Replay
    actors: Actors


def q_learning_error(
    q_tm1: jax.Array, a_tm1: jax.Array, target: Target, q_t_target: jax.Array, q_t_selector: jax.Array
) -> jax.Array:
    """y - Q(s, a) of one transition: the action is chosen by q_t_selector [A] and valued by q_t_target [A].

    Plain Q-learning selects by the target network's values too. Returns [].
    """
    y = target.reward + target.discount * q_t_target[jnp.argmax(q_t_selector)]
    return lax.stop_gradient(y) - q_tm1[a_tm1]


def loss_of(
    model: nn.Module, params: Any, target_params: Any, batch: Recollection, weights: jax.Array, *, double: bool
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """mean of w (y - Q(s, a))² / 2 over a batch [B]; beside it the errors [B] and the mean of max_a Q(s, a) []."""
    q = _values(model, params, batch.observation)
    following = _values(model, target_params, batch.next_observation)
    selector = lax.stop_gradient(_values(model, params, batch.next_observation)) if double else following
    errors = jax.vmap(q_learning_error)(q, batch.action, batch.target, following, selector)
    return jnp.mean(weights * 0.5 * jnp.square(errors)), (errors, jnp.mean(jnp.max(q, axis=-1)))


def epsilon_at(steps: jax.Array, hypers: Hypers) -> jax.Array:
    """The chance of a random action after so many environment steps: from 1 down a line to its end."""
    return 1.0 + (hypers.exploration_end - 1.0) * jnp.minimum(steps / hypers.exploration_steps, 1.0)


def dqn(
    environment: Environment,
    model: nn.Module,
    *,
    num_envs: int = 10,
    rollout: int = 1,
    updates: int = 1,
    batch_size: int = 128,
    capacity: int = 10_000,
    warmup: int = 10_000,
    target_every: int = 50,
    double: bool = False,
    prioritised: bool = False,
    n_step: int = 1,
    store_as: Any = None,
    schedule: Schedule | None = None,
) -> Learner:
    """An agent whose step plays `rollout` steps in each of `num_envs` environments, then learns `updates` times.

    model: observations [B, ...] -> action values [B, A]. Before the first step the memory is filled with `warmup`
    transitions of random actions; `store_as` is the dtype of observations in it (uint8 holds those of MinAtar in a
    quarter of the memory). The target network moves every `target_every` steps of the agent, by `hypers.target_rate`.
    `evaluate(state, keys [B])` plays an episode greedily for each key: its return and length.

    Raises ValueError for an environment without discrete actions, and for sizes that do not fit.
    """
    num_actions = number_of_actions(environment, "dqn")
    check_counts(
        num_envs=num_envs, rollout=rollout, updates=updates, batch_size=batch_size, target_every=target_every,
        n_step=n_step,
    )  # fmt: skip
    check_memory(num_envs * rollout, num_envs * n_step, capacity, warmup)
    newest = (n_step - 1) * num_envs

    def optimizer(hypers: Hypers) -> optax.GradientTransformation:
        rate = schedule or constant()
        adam = optax.adam(lambda count: hypers.learning_rate * rate(count))
        return optax.chain(optax.clip_by_global_norm(hypers.clip_norm), adam)

    def init(key: Key, hypers: Hypers) -> State:
        hypers = as_arrays(hypers)
        params_key, begin_key, warmup_key, key = jax.random.split(key, 4)
        actors = begin(environment, env_params_of(environment, hypers), begin_key, num_envs)
        params = model.init(params_key, actors.observation)
        replay = memory.empty(blank(actors, jnp.int32(0), store_as), capacity, prioritised=prioritised)
        opt_state = optimizer(hypers).init(params)
        state = State(jnp.int32(0), key, hypers, params, params, opt_state, replay, actors)
        keys = jax.random.split(warmup_key, warmup // (num_envs * rollout))
        return lax.scan(lambda state, key: (play(state, key, jnp.float32(1.0)), None), state, keys)[0]

    def play(state: State, key: Key, epsilon: jax.Array) -> State:
        """A rollout, acting at random with probability epsilon, and into the memory with it."""

        def act(observations: jax.Array, key: Key) -> jax.Array:
            coin_key, action_key = jax.random.split(key)
            best = jnp.argmax(_values(model, state.params, observations), axis=-1)
            anything = jax.random.randint(action_key, best.shape, 0, num_actions)
            return jnp.where(jax.random.uniform(coin_key, best.shape) < epsilon, anything, best)

        env_params = env_params_of(environment, state.hypers)
        actors, transitions = collect(environment, env_params, state.actors, key, act=act, length=rollout)
        return state._replace(actors=actors, replay=memory.remember(state.replay, flatten(transitions), newest))

    def learn(state: State, key: Key) -> tuple[State, Metrics]:
        """One update of the online network."""
        hypers, items = state.hypers, state.replay.buffer.items
        slots, weights = memory.draw(state.replay, key, batch_size, newest, hypers.importance_exponent)
        batch = memory.recall(items, slots, num_envs, n_step, hypers.discount)
        (loss, (errors, q)), gradients = jax.value_and_grad(
            lambda params: loss_of(model, params, state.target_params, batch, weights, double=double), has_aux=True
        )(state.params)
        updates, opt_state = optimizer(hypers).update(gradients, state.opt_state)
        replay = memory.reconsider(state.replay, slots, errors, hypers.priority_exponent)
        params = optax.apply_updates(state.params, updates)
        return state._replace(params=params, opt_state=opt_state, replay=replay), {"loss": loss, "q": q}

    def step(state: State, batch: None = None) -> tuple[State, Metrics]:
        play_key, learn_key = jax.random.split(jax.random.fold_in(state.key, state.step))
        epsilon = epsilon_at(state.step * (num_envs * rollout), state.hypers)
        state = play(state, play_key, epsilon)
        state, metrics = lax.scan(learn, state, jax.random.split(learn_key, updates))
        is_due = (state.step + 1) % target_every == 0
        moved = optax.incremental_update(state.params, state.target_params, state.hypers.target_rate)
        target_params = jax.tree.map(lambda new, old: jnp.where(is_due, new, old), moved, state.target_params)
        metrics = {**jax.tree.map(jnp.mean, metrics), "epsilon": epsilon, "return": jnp.mean(state.actors.last_return)}
        return state._replace(step=state.step + 1, target_params=target_params), metrics

    def evaluate(state: State, keys: Key) -> Metrics:
        return play_episodes(environment, policy(model), state, keys)

    return Learner(init, step, evaluate)


def policy(model: nn.Module) -> Policy:
    """The greedy policy: the action of the greatest value."""

    def act(state: State, recurrent: None, observation: jax.Array, key: Key) -> tuple[jax.Array, None]:
        return jnp.argmax(_values(model, state.params, observation[None])[0]), None

    return Policy(lambda: None, act)


def _values(model: nn.Module, params: Any, observations: jax.Array) -> jax.Array:
    q: Any = model.apply(params, observations.astype(jnp.float32))
    return q
