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
from mlr_jax.rl import buffer as replay
from mlr_jax.rl.buffer import Buffer, Priorities
from mlr_jax.rl.experience import Worlds, begin, blank, check_discrete, check_memory, collect, flatten
from mlr_jax.rl.play import Policy, play_episodes


LEAST_SURPRISE = 1e-6
"""Added to errors, so that what is known by heart can still be drawn."""


class Hypers(NamedTuple):
    """What a sweep can vary."""

    learning_rate: float = 2.5e-4
    discount: float = 0.99
    exploration_steps: float = 250_000
    """Environment steps over which the chance of a random action falls from 1 to its end."""
    exploration_end: float = 0.05
    target_rate: float = 1.0
    """How far the target network moves towards the online one, when it does."""
    clip_norm: float = math.inf
    priority_exponent: float = 0.6
    importance_exponent: float = 0.4
    """Prioritised replay draws in proportion to |error|^priority_exponent and undoes so much of it by weights."""


class State(NamedTuple):
    """Everything that the agent needs to go on. `priorities` is None where replay is uniform."""

    step: jax.Array
    key: Key
    hypers: Hypers
    params: Any
    target_params: Any
    opt_state: Any
    memory: Buffer
    priorities: Priorities | None
    worlds: Worlds


class Target(NamedTuple):
    """One transition over n steps: the rewards' discounted sum, the discount of what follows, and where that begins."""

    reward: jax.Array
    discount: jax.Array
    last: jax.Array


def n_step_target(r_t: jax.Array, terminated_t: jax.Array, ended_t: jax.Array, discount: jax.Array) -> Target:
    """sum_k gamma^k r_{t+k} over the n steps of r_t [n], or up to the end of the episode within them.

    ended_t marks the last step of an episode; if it has terminated too, nothing follows (discount 0).
    """
    n = r_t.shape[0]
    before = jnp.concatenate([jnp.ones(1), jnp.cumprod(1.0 - ended_t[:-1])])  # 1 while the episode goes on
    last = jnp.sum(before).astype(jnp.int32) - 1
    powers = discount ** jnp.arange(n)
    return Target(jnp.sum(powers * before * r_t), discount ** (last + 1) * (1.0 - terminated_t[last]), last)


def q_learning_error(
    q_tm1: jax.Array, a_tm1: jax.Array, target: Target, q_t_target: jax.Array, q_t_selector: jax.Array
) -> jax.Array:
    """y - Q(s, a) of one transition: the action is chosen by q_t_selector [A] and valued by q_t_target [A].

    Plain Q-learning selects by the target network's values too. Returns [].
    """
    y = target.reward + target.discount * q_t_target[jnp.argmax(q_t_selector)]
    return lax.stop_gradient(y) - q_tm1[a_tm1]


def dqn(
    environment: Any,
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
    check_discrete(environment, "dqn")
    check_memory(num_envs * rollout, num_envs * n_step, capacity, warmup)
    rate, newest = schedule or constant(), (n_step - 1) * num_envs

    def optimizer(hypers: Hypers) -> optax.GradientTransformation:
        clip = optax.clip_by_global_norm(hypers.clip_norm)
        return optax.chain(clip, optax.adam(lambda count: hypers.learning_rate * rate(count)))

    def values_of(params: Any, observations: jax.Array) -> jax.Array:
        q: Any = model.apply({"params": params}, observations.astype(jnp.float32))
        return q

    def init(key: Key, hypers: Hypers) -> State:
        hypers = as_arrays(hypers)
        params_key, begin_key, warmup_key, key = jax.random.split(key, 4)
        worlds = begin(environment, begin_key, num_envs)
        params = model.init(params_key, worlds.observation)["params"]
        memory = replay.empty(blank(worlds, jnp.int32(0), store_as), capacity)
        priorities = replay.no_priorities(capacity) if prioritised else None
        opt_state = optimizer(hypers).init(params)
        state = State(jnp.int32(0), key, hypers, params, params, opt_state, memory, priorities, worlds)
        keys = jax.random.split(warmup_key, warmup // (num_envs * rollout))
        return lax.scan(lambda state, key: (play(state, key, jnp.float32(1.0)), None), state, keys)[0]

    def play(state: State, key: Key, epsilon: jax.Array) -> State:
        """A rollout, acting at random with probability epsilon, and into the memory with it."""

        def act(observations: jax.Array, key: Key) -> jax.Array:
            coin_key, action_key = jax.random.split(key)
            best = jnp.argmax(values_of(state.params, observations), axis=-1)
            anything = jax.random.randint(action_key, best.shape, 0, environment.num_actions)
            return jnp.where(jax.random.uniform(coin_key, best.shape) < epsilon, anything, best)

        worlds, transitions = collect(environment, act, state.worlds, key, rollout)
        state = state._replace(worlds=worlds, memory=replay.add(state.memory, flatten(transitions)))
        if state.priorities is None:
            return state
        return state._replace(priorities=replay.admit(state.priorities, state.memory, num_envs * rollout, newest))

    def draw(state: State, key: Key) -> tuple[jax.Array, jax.Array]:
        """Slots of the memory, and the weight of each in the loss."""
        if state.priorities is None:
            return replay.draw_uniform(state.memory, key, batch_size, newest), jnp.ones(batch_size)
        slots, chances = replay.draw_by_priority(state.priorities, key, batch_size)
        return slots, replay.importance(chances, state.memory.size, state.hypers.importance_exponent)

    def recall(state: State, slots: jax.Array) -> tuple[jax.Array, jax.Array, Target, jax.Array]:
        """Observations, actions, targets and what is observed n steps later, of transitions [B].

        What follows a slot lies in those that are `num_envs` apart.
        """
        items, rows = state.memory.items, (slots[:, None] + num_envs * jnp.arange(n_step)[None]) % capacity
        targets = jax.vmap(n_step_target, (0, 0, 0, None))(
            items.reward[rows], items.terminated[rows], items.ended[rows], state.hypers.discount
        )
        last = (slots + num_envs * targets.last) % capacity
        return items.observation[slots], items.action[slots], targets, items.next_observation[last]

    def learn(state: State, key: Key) -> tuple[State, Metrics]:
        slots, weights = draw(state, key)
        observations, actions, targets, next_observations = recall(state, slots)
        following = values_of(state.target_params, next_observations)
        selector = values_of(state.params, next_observations) if double else following

        def loss(params: Any) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
            q = values_of(params, observations)
            errors = jax.vmap(q_learning_error)(q, actions, targets, following, selector)
            return jnp.mean(weights * 0.5 * jnp.square(errors)), (errors, jnp.mean(jnp.max(q, axis=-1)))

        (value, (errors, q)), gradients = jax.value_and_grad(loss, has_aux=True)(state.params)
        updates, opt_state = optimizer(state.hypers).update(gradients, state.opt_state)
        state = state._replace(params=optax.apply_updates(state.params, updates), opt_state=opt_state)
        if state.priorities is not None:
            surprise = (jnp.abs(errors) + LEAST_SURPRISE) ** state.hypers.priority_exponent
            state = state._replace(priorities=replay.set_priorities(state.priorities, slots, surprise))
        return state, {"loss": value, "q": q}

    def step(state: State, batch: None = None) -> tuple[State, Metrics]:
        play_key, learn_key = jax.random.split(jax.random.fold_in(state.key, state.step))
        played = state.step * (num_envs * rollout)
        progress = jnp.minimum(played / state.hypers.exploration_steps, 1.0)
        epsilon = 1.0 + (state.hypers.exploration_end - 1.0) * progress
        state = play(state, play_key, epsilon)
        state, metrics = lax.scan(learn, state, jax.random.split(learn_key, updates))
        step = state.step + 1
        moved = optax.incremental_update(state.params, state.target_params, state.hypers.target_rate)
        target_params = jax.tree.map(
            lambda new, old: jnp.where(step % target_every == 0, new, old), moved, state.target_params
        )
        metrics = {**jax.tree.map(jnp.mean, metrics), "epsilon": epsilon, "return": jnp.mean(state.worlds.last_return)}
        return state._replace(step=step, target_params=target_params), metrics

    def evaluate(state: State, keys: Key) -> Metrics:
        return play_episodes(environment, policy(model), state, keys)

    return Learner(init, step, evaluate)


def policy(model: nn.Module) -> Policy:
    """The greedy policy: the action of the greatest value."""

    def act(state: State, memory: None, observation: jax.Array, key: Key) -> tuple[jax.Array, None]:
        q: Any = model.apply({"params": state.params}, observation[None].astype(jnp.float32))
        return jnp.argmax(q[0], axis=-1), None

    return Policy(lambda: None, act)
