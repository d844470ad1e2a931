"""Proximal policy optimisation (Schulman et al., 2017): discrete or continuous actions, with a memory or without.

With the ratio rho = pi(a | s) / pi_old(a | s) of an action taken, its advantage A (normalised within the minibatch) and
the clipped ratio rho' = clip(rho, 1 - clip, 1 + clip), the minimised loss is the mean of

    -min(rho A, rho' A)  +  value_weight * L_v  -  entropy_weight * H(pi(. | s)),
    L_v = max((V - G)^2, (V_old + clip(V - V_old, -clip, clip) - G)^2) / 2
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.flatten_util import ravel_pytree

from mlr_jax.core.gradient import Optimizer
from mlr_jax.core.types import Key, Learner, Metrics
from mlr_jax.ops.permutation import permute
from mlr_jax.rl.environment import Environment
from mlr_jax.rl.on_policy import Agent, Experience, State, agent_of, experience, first_state, play, policy_of
from mlr_jax.rl.play import Policy
from mlr_jax.rl.rollout import check_counts


class Hypers(NamedTuple):
    """What a sweep can vary."""

    learning_rate: float = 2.5e-4
    discount: float = 0.99
    trace: float = 0.95
    """lambda of the generalised advantage."""
    clip: float = 0.2
    entropy_weight: float = 0.01
    value_weight: float = 0.5
    clip_norm: float = 0.5


def ppo_loss(model: nn.Module, params: Any, batch: Experience, hypers: Hypers) -> tuple[jax.Array, Metrics]:
    """The loss of sequences, leaves [B, L, ...], that begin with the memories [B, 1, ...]; and what it is made of."""
    memory = jax.tree.map(lambda leaf: leaf[:, 0], batch.memory)
    called: Any = model.apply(params, memory, jnp.swapaxes(batch.observation, 0, 1), jnp.swapaxes(batch.start, 0, 1))
    distribution, value, _ = called
    batch = jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), batch)
    advantage = (batch.advantage - jnp.mean(batch.advantage)) / (jnp.std(batch.advantage) + 1e-8)

    log_ratio = distribution.log_prob(batch.action) - batch.log_prob
    ratio = jnp.exp(log_ratio)
    clipped_ratio = jnp.clip(ratio, 1.0 - hypers.clip, 1.0 + hypers.clip)
    policy_loss = -jnp.mean(jnp.minimum(ratio * advantage, clipped_ratio * advantage))

    near_value = batch.value + jnp.clip(value - batch.value, -hypers.clip, hypers.clip)
    errors = jnp.maximum(jnp.square(value - batch.target), jnp.square(near_value - batch.target))
    value_loss = 0.5 * jnp.mean(errors)

    entropy = jnp.mean(distribution.entropy())
    loss = policy_loss + hypers.value_weight * value_loss - hypers.entropy_weight * entropy
    return loss, {
        "loss": loss,
        "policy_loss": policy_loss,
        "value_loss": value_loss,
        "entropy": entropy,
        "divergence": jnp.mean(ratio - 1.0 - log_ratio),
    }


def ppo(
    environment: Environment,
    model: nn.Module | None = None,
    optimizer: Optimizer | None = None,
    *,
    num_envs: int = 4,
    num_steps: int = 128,
    epochs: int = 4,
    minibatches: int = 4,
    sequence: int | None = None,
    normalise_observations: bool = False,
    normalise_rewards: bool = False,
    greedy: bool = True,
) -> Learner:
    """An agent whose step plays `num_steps` steps in each of `num_envs` environments and learns `epochs` times of it.

    model: as those of `rl/networks.py`, two perceptrons of 64, 64 where it is not given. `sequence` is how many steps
    in a row are learned from together, 1 without a memory and `num_steps` with one; in each epoch the sequences are
    shuffled anew and cut into `minibatches`. `evaluate(state, keys [B])` plays an episode for each key, by the
    likeliest actions if `greedy`, else as in training. Metrics: parts of the loss, and the mean over environments of
    the return of the episode that ended last.

    Raises ValueError for sequences that do not divide the rollout, minibatches that do not divide the sequences, and
    counts below 1.
    """
    check_counts(num_envs=num_envs, num_steps=num_steps, epochs=epochs)
    agent = agent_of(environment, model, optimizer, normalise_observations, normalise_rewards)
    if sequence is None:
        sequence = num_steps if jax.tree.leaves(agent.model.no_memory(1)) else 1  # type: ignore[attr-defined]
    if sequence < 1 or num_steps % sequence:
        raise ValueError(f"sequence: got {sequence}, must divide the {num_steps} steps of the rollout")
    num_sequences = num_envs * num_steps // sequence
    if minibatches < 1 or num_sequences % minibatches:
        raise ValueError(f"minibatches: got {minibatches}, must divide the {num_sequences} sequences of the rollout")

    def init(key: Key, hypers: Hypers) -> State:
        state = first_state(agent, num_envs, key, hypers)
        return state._replace(opt_state=agent.optimizer(state.hypers).init(ravel_pytree(state.params)[0]))

    def step(state: State, batch: None = None) -> tuple[State, Metrics]:
        play_key, shuffle_key = jax.random.split(jax.random.fold_in(state.key, state.step))
        state, played = experience(agent, state, play_key, num_steps)
        every_epoch = jnp.arange(epochs)[:, None], jnp.arange(num_sequences)[None]
        order = permute(shuffle_key, *every_epoch, num_sequences).reshape(epochs, minibatches, -1)
        state, metrics = improve(agent, state, in_sequences(played, sequence), order)
        metrics = {**jax.tree.map(jnp.mean, metrics), "return": jnp.mean(state.actors.last_return)}
        return state._replace(step=state.step + 1), metrics

    def evaluate(state: State, keys: Key) -> Metrics:
        return play(agent, state, keys, greedy=greedy)

    return Learner(init, step, evaluate)


def improve(agent: Agent, state: State, sequences: Experience, order: jax.Array) -> tuple[State, Metrics]:
    """One update after another on the sequences of each minibatch, order [epochs, minibatches, B]; metrics of each."""
    update = agent.optimizer(state.hypers).update
    # As one vector: the optimizer's arithmetic on a dozen small arrays takes longer than the gradient.
    vector, as_params = ravel_pytree(state.params)

    def learn(carry: tuple[jax.Array, Any], minibatch: Experience) -> tuple[tuple[jax.Array, Any], Metrics]:
        vector, opt_state = carry
        loss_of = jax.grad(lambda v: ppo_loss(agent.model, as_params(v), minibatch, state.hypers), has_aux=True)
        gradient, metrics = loss_of(vector)
        updates, opt_state = update(gradient, opt_state, vector)
        return (optax.apply_updates(vector, updates), opt_state), metrics

    def learn_epoch(carry: tuple[jax.Array, Any], chosen: jax.Array) -> tuple[tuple[jax.Array, Any], Metrics]:
        return lax.scan(learn, carry, jax.tree.map(lambda leaf: leaf[chosen], sequences))

    (vector, opt_state), metrics = lax.scan(learn_epoch, (vector, state.opt_state), order)
    return state._replace(params=as_params(vector), opt_state=opt_state), metrics


def in_sequences(played: Experience, length: int) -> Experience:
    """Leaves [T, N, ...] -> [T N / length, length, ...]; of memories the first of each sequence, [., 1, ...]."""

    def cut(leaf: jax.Array) -> jax.Array:
        steps, rows = leaf.shape[:2]
        leaf = jnp.moveaxis(leaf.reshape(steps // length, length, rows, *leaf.shape[2:]), 1, 2)
        return leaf.reshape(steps // length * rows, length, *leaf.shape[3:])

    cut_up = jax.tree.map(cut, played)
    return cut_up._replace(memory=jax.tree.map(lambda leaf: leaf[:, :1], cut_up.memory))


def policy(
    environment: Environment,
    model: nn.Module | None = None,
    *,
    normalise_observations: bool = False,
    greedy: bool = True,
) -> Policy:
    """How the agent plays."""
    return policy_of(agent_of(environment, model, None, normalise_observations, False), greedy=greedy)
