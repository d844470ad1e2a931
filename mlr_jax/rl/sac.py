"""Soft actor-critic (Haarnoja et al., 2018): continuous actions, a bonus for entropy, its price learned.

With a' drawn from the policy at s', and the smaller of two critics so that errors are not sought out,

    y = r + gamma (min_i Q_target_i(s', a') - alpha log pi(a' | s')),   critics: mean of sum_i (y - Q_i(s, a))² / 2
    actor: mean of alpha log pi(a | s) - min_i Q_i(s, a) at actions a of its own
    temperature: mean of -log alpha (log pi(a | s) + target entropy)

Actions are tanh of a normal variable, stretched to the environment's bounds; entropies are those within (-1, 1).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import lax

from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.types import Key, Learner, Metrics
from mlr_jax.nn.mlp import MLP
from mlr_jax.rl import buffer as replay
from mlr_jax.rl.buffer import Buffer
from mlr_jax.rl.experience import Transition, Worlds, begin, blank, check_continuous, check_memory, collect, flatten
from mlr_jax.rl.play import Policy, play_episodes

LOG_STD = (-5.0, 2.0)
"""Least and greatest log of a standard deviation."""


class Hypers(NamedTuple):
    """What a sweep can vary."""

    learning_rate: float = 1e-3
    discount: float = 0.99
    target_rate: float = 0.005
    """How far the target critics move towards the critics after each update."""
    target_entropy: float = -1.0
    """The entropy to be kept, for each number of an action."""
    first_temperature: float = 1.0


class Params(NamedTuple):
    """Of the actor, of both critics, and the log of the temperature []."""

    actor: Any
    critics: Any
    log_temperature: jax.Array


class State(NamedTuple):
    """Everything that the agent needs to go on."""

    step: jax.Array
    key: Key
    hypers: Hypers
    params: Params
    target_critics: Any
    opt_state: Params
    memory: Buffer
    worlds: Worlds


class Critics(nn.Module):
    """Q_1(s, a), Q_2(s, a): observations [B, ...] and actions [B, A] -> [B, 2]."""

    hidden: Sequence[int]

    @nn.compact
    def __call__(self, observations: jax.Array, actions: jax.Array) -> jax.Array:
        """Values by both critics."""
        x = jnp.concatenate([observations.reshape(observations.shape[0], -1), actions], axis=-1)
        return jnp.concatenate([MLP(self.hidden, 1)(x) for _ in range(2)], axis=-1)


def bounded_normal(outputs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation [A] from an actor's outputs [2 A]."""
    mean, raw = jnp.split(outputs, 2, axis=-1)
    low, high = LOG_STD
    return mean, jnp.exp(low + 0.5 * (high - low) * (jnp.tanh(raw) + 1.0))


def sample_squashed(outputs: jax.Array, noise: jax.Array) -> tuple[jax.Array, jax.Array]:
    """a = tanh(u), u = mean + deviation * noise, and log pi(a): [A] and []; noise [A] is standard normal.

    log pi(a) = sum log N(u) - log(1 - a²), the last term written as 2 (log 2 - u - softplus(-2 u)).
    """
    mean, deviation = bounded_normal(outputs)
    u = mean + deviation * noise
    log_normal = -0.5 * jnp.square(noise) - jnp.log(deviation) - 0.5 * jnp.log(2.0 * jnp.pi)
    return jnp.tanh(u), jnp.sum(log_normal - 2.0 * (jnp.log(2.0) - u - jax.nn.softplus(-2.0 * u)))


def critic_loss(q: jax.Array, reward: jax.Array, discount: jax.Array, soft_value: jax.Array) -> jax.Array:
    """sum_i (y - Q_i)² / 2 with y = reward + discount * soft_value, of one transition; q [2]. Returns []."""
    return 0.5 * jnp.sum(jnp.square(lax.stop_gradient(reward + discount * soft_value) - q))


def sac(
    environment: Any,
    *,
    hidden: Sequence[int] = (256, 256),
    num_envs: int = 1,
    rollout: int = 1,
    updates: int = 1,
    batch_size: int = 256,
    capacity: int = 50_000,
    warmup: int = 1_000,
) -> Learner:
    """An agent whose step plays `rollout` steps in each of `num_envs` environments, then learns `updates` times.

    hidden: widths of the actor and of each critic. Before the first step the memory is filled with `warmup` transitions
    of random actions. `evaluate(state, keys [B])` plays an episode for each key with the middle of the policy, tanh of
    its mean: its return and length.

    Raises ValueError for an environment without continuous actions, and for sizes that do not fit.
    """
    check_continuous(environment, "sac")
    check_memory(num_envs * rollout, 1, capacity, warmup)
    size = environment.action_low.shape[0]
    actor, critics = MLP(hidden, 2 * size), Critics(hidden)

    def optimizer(hypers: Hypers) -> optax.GradientTransformation:
        return optax.adam(hypers.learning_rate)

    def init(key: Key, hypers: Hypers) -> State:
        hypers = as_arrays(hypers)
        actor_key, critic_key, begin_key, warmup_key, key = jax.random.split(key, 5)
        worlds = begin(environment, begin_key, num_envs)
        params = Params(
            actor.init(actor_key, worlds.observation),
            critics.init(critic_key, worlds.observation, jnp.zeros((num_envs, size))),
            jnp.log(hypers.first_temperature),
        )
        memory = replay.empty(blank(worlds, jnp.zeros(size)), capacity)
        opt_state = Params(*map(optimizer(hypers).init, params))
        state = State(jnp.int32(0), key, hypers, params, params.critics, opt_state, memory, worlds)
        keys = jax.random.split(warmup_key, warmup // (num_envs * rollout))
        return lax.scan(lambda state, key: (play(state, key, at_random=True), None), state, keys)[0]

    def draw_actions(params: Any, observations: jax.Array, key: Key) -> tuple[jax.Array, jax.Array]:
        outputs: Any = actor.apply(params, observations)
        return jax.vmap(sample_squashed)(outputs, jax.random.normal(key, (observations.shape[0], size)))

    def play(state: State, key: Key, *, at_random: bool = False) -> State:
        """A rollout, and into the memory with it; actions are kept as they are within (-1, 1)."""

        def act(observations: jax.Array, key: Key) -> jax.Array:
            if at_random:
                return jax.random.uniform(key, (num_envs, size), minval=-1.0, maxval=1.0)
            return draw_actions(state.params.actor, observations, key)[0]

        worlds, transitions = collect(environment, act, state.worlds, key, rollout, lambda a: stretch(environment, a))
        return state._replace(worlds=worlds, memory=replay.add(state.memory, flatten(transitions)))

    def values_of(params: Any, observations: jax.Array, actions: jax.Array) -> jax.Array:
        q: Any = critics.apply(params, observations, actions)
        return q

    def learn_critics(state: State, items: Transition, key: Key) -> tuple[jax.Array, Any]:
        actions, log_prob = draw_actions(state.params.actor, items.next_observation, key)
        following = jnp.min(values_of(state.target_critics, items.next_observation, actions), axis=-1)
        soft_value = following - jnp.exp(state.params.log_temperature) * log_prob
        discount = state.hypers.discount * (1.0 - items.terminated)

        def loss(params: Any) -> jax.Array:
            q = values_of(params, items.observation, items.action)
            return jnp.mean(jax.vmap(critic_loss)(q, items.reward, discount, soft_value))

        return jax.value_and_grad(loss)(state.params.critics)

    def learn_actor(state: State, critic_params: Any, items: Transition, key: Key) -> tuple[jax.Array, Any]:
        def loss(params: Any) -> tuple[jax.Array, jax.Array]:
            actions, log_prob = draw_actions(params, items.observation, key)
            q = jnp.min(values_of(critic_params, items.observation, actions), axis=-1)
            return jnp.mean(jnp.exp(state.params.log_temperature) * log_prob - q), -jnp.mean(log_prob)

        (_, entropy), gradients = jax.value_and_grad(loss, has_aux=True)(state.params.actor)
        return entropy, gradients

    def learn(state: State, key: Key) -> tuple[State, Metrics]:
        draw_key, critic_key, actor_key = jax.random.split(key, 3)
        slots = replay.draw_uniform(state.memory, draw_key, batch_size)
        items: Transition = jax.tree.map(lambda leaf: leaf[slots], state.memory.items)

        def updated(gradients: Any, opt_state: Any, params: Any) -> tuple[Any, Any]:
            updates, opt_state = optimizer(state.hypers).update(gradients, opt_state)
            return optax.apply_updates(params, updates), opt_state

        loss, gradients = learn_critics(state, items, critic_key)
        critic_params, critic_opt = updated(gradients, state.opt_state.critics, state.params.critics)
        entropy, gradients = learn_actor(state, critic_params, items, actor_key)
        actor_params, actor_opt = updated(gradients, state.opt_state.actor, state.params.actor)
        slope = entropy - state.hypers.target_entropy * size  # of the temperature's loss by log alpha
        log_temperature, temperature_opt = updated(slope, state.opt_state.log_temperature, state.params.log_temperature)
        state = state._replace(
            params=Params(actor_params, critic_params, log_temperature),
            opt_state=Params(actor_opt, critic_opt, temperature_opt),
            target_critics=optax.incremental_update(critic_params, state.target_critics, state.hypers.target_rate),
        )
        return state, {"loss": loss, "entropy": entropy, "temperature": jnp.exp(log_temperature)}

    def step(state: State, batch: None = None) -> tuple[State, Metrics]:
        play_key, learn_key = jax.random.split(jax.random.fold_in(state.key, state.step))
        state, metrics = lax.scan(learn, play(state, play_key), jax.random.split(learn_key, updates))
        metrics = {**jax.tree.map(jnp.mean, metrics), "return": jnp.mean(state.worlds.last_return)}
        return state._replace(step=state.step + 1), metrics

    def evaluate(state: State, keys: Key) -> Metrics:
        return play_episodes(environment, policy(environment, hidden), state, keys)

    return Learner(init, step, evaluate)


def policy(environment: Any, hidden: Sequence[int]) -> Policy:
    """The middle of the policy: tanh of its mean, stretched to the environment's bounds."""
    actor = MLP(hidden, 2 * environment.action_low.shape[0])

    def act(state: State, memory: None, observation: jax.Array, key: Key) -> tuple[jax.Array, None]:
        outputs: Any = actor.apply(state.params.actor, observation[None])
        return stretch(environment, jnp.tanh(bounded_normal(outputs[0])[0])), None

    return Policy(lambda: None, act)


def stretch(environment: Any, action: jax.Array) -> jax.Array:
    """From (-1, 1) to the bounds of the environment's actions, [..., A]."""
    low, high = environment.action_low, environment.action_high
    return low + 0.5 * (high - low) * (action + 1.0)
