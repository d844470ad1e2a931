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
import numpy as np
import optax
from jax import lax

from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.types import Key, Learner, Metrics
from mlr_jax.nn.mlp import MLP
from mlr_jax.rl import buffer as replay
from mlr_jax.rl.buffer import Buffer
from mlr_jax.rl.distributions import TanhNormal
from mlr_jax.rl.environment import Environment, action_bounds, env_params_of
from mlr_jax.rl.experience import Transition, blank, check_memory, collect, flatten
from mlr_jax.rl.play import Policy, play_episodes
from mlr_jax.rl.rollout import Actors, begin, check_counts

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
    actors: Actors


class Critics(nn.Module):
    """Q_1(s, a), Q_2(s, a): observations [B, ...] and actions [B, A] -> [B, 2]."""

    hidden: Sequence[int]

    @nn.compact
    def __call__(self, observations: jax.Array, actions: jax.Array) -> jax.Array:
        """Values by both critics."""
        x = jnp.concatenate([observations.reshape(observations.shape[0], -1), actions], axis=-1)
        return jnp.concatenate([MLP(self.hidden, 1)(x) for _ in range(2)], axis=-1)


def distribution_of(outputs: jax.Array) -> TanhNormal:
    """The policy that an actor's outputs [..., 2 A] mean: half of them means, half deviations within `LOG_STD`."""
    mean, raw = jnp.split(outputs, 2, axis=-1)
    low, high = LOG_STD
    return TanhNormal(mean, low + 0.5 * (high - low) * (jnp.tanh(raw) + 1.0))


class Networks(NamedTuple):
    """observations [B, ...] -> means and deviations [B, 2 A]; observations and actions -> two values, [B, 2]."""

    actor: nn.Module
    critics: nn.Module


def networks_of(environment: Environment, hidden: Sequence[int]) -> Networks:
    """Perceptrons with these widths."""
    low, _ = action_bounds(environment, "sac")
    return Networks(MLP(hidden, 2 * low.shape[0]), Critics(hidden))


def draw_actions(networks: Networks, params: Any, observations: jax.Array, key: Key) -> tuple[jax.Array, jax.Array]:
    """Actions [B, A] of the policy, within (-1, 1), and their log-probabilities [B]."""
    outputs: Any = networks.actor.apply(params, observations)
    return distribution_of(outputs).sample_and_log_prob(key)


def critic_loss(networks: Networks, critics: Any, state: State, batch: Transition, key: Key) -> jax.Array:
    """mean of sum_i (y - Q_i(s, a))² / 2 over a batch, with y as above. Returns []."""
    actions, log_prob = draw_actions(networks, state.params.actor, batch.next_observation, key)
    following: Any = networks.critics.apply(state.target_critics, batch.next_observation, actions)
    soft_value = jnp.min(following, axis=-1) - jnp.exp(state.params.log_temperature) * log_prob
    y = lax.stop_gradient(batch.reward + state.hypers.discount * (1.0 - batch.terminated) * soft_value)
    q: Any = networks.critics.apply(critics, batch.observation, batch.action)
    return 0.5 * jnp.mean(jnp.sum(jnp.square(y[:, None] - q), axis=-1))


def actor_loss(
    networks: Networks, actor: Any, critics: Any, observations: jax.Array, key: Key, *, temperature: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """mean of alpha log pi(a | s) - min_i Q_i(s, a) at actions drawn by the key, and the mean entropy, both []."""
    actions, log_prob = draw_actions(networks, actor, observations, key)
    q: Any = networks.critics.apply(critics, observations, actions)
    return jnp.mean(temperature * log_prob - jnp.min(q, axis=-1)), -jnp.mean(log_prob)


def sac(
    environment: Environment,
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
    bounds = action_bounds(environment, "sac")
    check_counts(num_envs=num_envs, rollout=rollout, updates=updates, batch_size=batch_size)
    check_memory(num_envs * rollout, 1, capacity, warmup)
    size = bounds[0].shape[0]
    networks = networks_of(environment, hidden)

    def optimizer(hypers: Hypers) -> optax.GradientTransformation:
        return optax.adam(hypers.learning_rate)

    def init(key: Key, hypers: Hypers) -> State:
        hypers = as_arrays(hypers)
        actor_key, critic_key, begin_key, warmup_key, key = jax.random.split(key, 5)
        actors = begin(environment, env_params_of(environment, hypers), begin_key, num_envs)
        params = Params(
            networks.actor.init(actor_key, actors.observation),
            networks.critics.init(critic_key, actors.observation, jnp.zeros((num_envs, size))),
            jnp.log(hypers.first_temperature),
        )
        memory = replay.empty(blank(actors, jnp.zeros(size)), capacity)
        opt_state = Params(*map(optimizer(hypers).init, params))
        state = State(jnp.int32(0), key, hypers, params, params.critics, opt_state, memory, actors)
        keys = jax.random.split(warmup_key, warmup // (num_envs * rollout))
        return lax.scan(lambda state, key: (play(state, key, at_random=True), None), state, keys)[0]

    def play(state: State, key: Key, *, at_random: bool = False) -> State:
        """A rollout, and into the memory with it; actions are kept as they are within (-1, 1)."""

        def act(observations: jax.Array, key: Key) -> jax.Array:
            if at_random:
                return jax.random.uniform(key, (num_envs, size), minval=-1.0, maxval=1.0)
            return draw_actions(networks, state.params.actor, observations, key)[0]

        actors, transitions = collect(
            environment, env_params_of(environment, state.hypers), state.actors, key,
            act=act, length=rollout, as_played=lambda action: stretch(action, bounds),
        )  # fmt: skip
        return state._replace(actors=actors, memory=replay.add(state.memory, flatten(transitions)))

    def learn(state: State, key: Key) -> tuple[State, Metrics]:
        """One update of the critics, then of the actor, then of the temperature."""
        draw_key, critic_key, actor_key = jax.random.split(key, 3)
        slots = replay.draw_uniform(state.memory, draw_key, batch_size)
        batch = jax.tree.map(lambda leaf: leaf[slots], state.memory.items)
        update = optimizer(state.hypers).update
        (actor, critics, log_temperature), opt_state = state.params, state.opt_state

        loss, gradients = jax.value_and_grad(lambda c: critic_loss(networks, c, state, batch, critic_key))(critics)
        updates, critic_opt = update(gradients, opt_state.critics)
        critics = optax.apply_updates(critics, updates)

        gradients, entropy = jax.grad(
            lambda a: actor_loss(
                networks, a, critics, batch.observation, actor_key, temperature=jnp.exp(log_temperature)
            ),
            has_aux=True,
        )(actor)
        updates, actor_opt = update(gradients, opt_state.actor)
        actor = optax.apply_updates(actor, updates)

        slope = entropy - state.hypers.target_entropy * size  # of the temperature's loss, by log alpha
        updates, temperature_opt = update(slope, opt_state.log_temperature)
        log_temperature = optax.apply_updates(log_temperature, updates)

        state = state._replace(
            params=Params(actor, critics, log_temperature),
            opt_state=Params(actor_opt, critic_opt, temperature_opt),
            target_critics=optax.incremental_update(critics, state.target_critics, state.hypers.target_rate),
        )
        return state, {"loss": loss, "entropy": entropy, "temperature": jnp.exp(log_temperature)}

    def step(state: State, batch: None = None) -> tuple[State, Metrics]:
        play_key, learn_key = jax.random.split(jax.random.fold_in(state.key, state.step))
        state, metrics = lax.scan(learn, play(state, play_key), jax.random.split(learn_key, updates))
        metrics = {**jax.tree.map(jnp.mean, metrics), "return": jnp.mean(state.actors.last_return)}
        return state._replace(step=state.step + 1), metrics

    def evaluate(state: State, keys: Key) -> Metrics:
        return play_episodes(environment, policy(environment, hidden), state, keys)

    return Learner(init, step, evaluate)


def policy(environment: Environment, hidden: Sequence[int]) -> Policy:
    """The middle of the policy: tanh of its mean, stretched to the environment's bounds."""
    actor, bounds = networks_of(environment, hidden).actor, action_bounds(environment, "sac")

    def act(state: State, recurrent: None, observation: jax.Array, key: Key) -> tuple[jax.Array, None]:
        outputs: Any = actor.apply(state.params.actor, observation[None])
        return stretch(distribution_of(outputs[0]).mode(), bounds), None

    return Policy(lambda: None, act)


def stretch(action: jax.Array, bounds: tuple[np.ndarray, np.ndarray]) -> jax.Array:
    """From (-1, 1) to the bounds of the environment's actions, [A]."""
    low, high = bounds
    return low + 0.5 * (high - low) * (action + 1.0)
