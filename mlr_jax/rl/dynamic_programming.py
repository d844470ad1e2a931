"""Value iteration and policy iteration: the exact solution of a decision process whose tables are known.

    q(s, a) = sum_s' p(s' | s, a) (r(s, a, s') + gamma (1 - terminal(s')) v(s'))

The best values are the fixed point of v(s) = max_a q(s, a) (Bellman, 1957). With `epsilon` the policy must choose at
random that often, and v(s) = (1 - epsilon) max_a q(s, a) + epsilon mean_a q(s, a) is the best that it can do: what
SARSA, which explores, converges to.

Both methods are learners whose data is the process: a step is one iteration, given the same tables every time.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.types import Key, Learner, Metrics
from mlr_jax.rl.mdp import MDP, expected_reward


class Hypers(NamedTuple):
    """What a sweep can vary: the discount gamma, and how often the policy chooses at random."""

    discount: float = 0.99
    epsilon: float = 0.0


class State(NamedTuple):
    """Values v(s) [S] after `step` iterations."""

    step: jax.Array
    key: Key
    hypers: Hypers
    values: jax.Array


class Solution(NamedTuple):
    """Values v(s) [S], action values q(s, a) [S, A], the best actions [S] and the iterations it took []."""

    values: jax.Array
    action_values: jax.Array
    actions: jax.Array
    iterations: jax.Array


def action_values(mdp: MDP, values: jax.Array, discount: jax.typing.ArrayLike) -> jax.Array:
    """q(s, a) of going on from s' with `values` [S]; terminal states are worth nothing. Returns [S, A]."""
    alive = 1.0 - mdp.terminal
    q = expected_reward(mdp) + jnp.asarray(discount) * (mdp.transition @ (alive * values))
    return alive[:, None] * q


def epsilon_greedy(q: jax.Array, epsilon: jax.typing.ArrayLike) -> jax.Array:
    """pi(a | s): the first best action, or with probability epsilon any. q [..., A] -> [..., A]."""
    num_actions = q.shape[-1]
    return (1.0 - jnp.asarray(epsilon)) * jax.nn.one_hot(jnp.argmax(q, axis=-1), num_actions) + epsilon / num_actions


def policy_values(mdp: MDP, policy: jax.Array, discount: jax.typing.ArrayLike) -> jax.Array:
    """The values of a policy pi(a | s) [S, A], exactly: v = (I - gamma P_pi)^-1 r_pi. Returns [S]."""
    alive = 1.0 - mdp.terminal
    transition = jnp.einsum("sa,sat->st", policy, mdp.transition) * alive[:, None] * alive[None]
    reward = alive * jnp.sum(policy * expected_reward(mdp), axis=-1)
    return jnp.linalg.solve(jnp.eye(len(alive), dtype=reward.dtype) - discount * transition, reward)


def value_iteration(num_states: int) -> Learner:
    """v <- the values of acting greedily (or epsilon-greedily) once and then being worth v.

    `step(state, mdp)`: the greatest change of a value shrinks by the discount each time. Metrics: that change.
    `evaluate(state, mdp)`: the value of each state under the policy that v suggests, and v itself, [S].
    """

    def improve(hypers: Hypers, mdp: MDP, values: jax.Array) -> jax.Array:
        q = action_values(mdp, values, hypers.discount)
        return jnp.sum(epsilon_greedy(q, hypers.epsilon) * q, axis=-1)

    return _learner(num_states, improve)


def policy_iteration(num_states: int) -> Learner:
    """v <- the exact values of the policy that is greedy (or epsilon-greedy) for v (Howard, 1960).

    Needs a handful of iterations, each a linear system of S unknowns. Metrics as in `value_iteration`.
    """

    def improve(hypers: Hypers, mdp: MDP, values: jax.Array) -> jax.Array:
        q = action_values(mdp, values, hypers.discount)
        return policy_values(mdp, epsilon_greedy(q, hypers.epsilon), hypers.discount)

    return _learner(num_states, improve)


def _learner(num_states: int, improve) -> Learner:
    def init(key: Key, hypers: Hypers) -> State:
        return State(jnp.int32(0), key, as_arrays(hypers), jnp.zeros(num_states))

    def step(state: State, mdp: MDP) -> tuple[State, Metrics]:
        values = improve(state.hypers, mdp, state.values)
        metrics = {"change": jnp.max(jnp.abs(values - state.values)), "value": jnp.sum(mdp.start * values)}
        return state._replace(step=state.step + 1, values=values), metrics

    def evaluate(state: State, mdp: MDP) -> Metrics:
        q = action_values(mdp, state.values, state.hypers.discount)
        policy = epsilon_greedy(q, state.hypers.epsilon)
        return {"value": policy_values(mdp, policy, state.hypers.discount), "estimate": state.values}

    return Learner(init, step, evaluate)


def solve(
    learner: Learner, hypers: Hypers, mdp: MDP, tolerance: float = 1e-6, max_iterations: int = 10_000
) -> Solution:
    """Iterate until no value changes by more than `tolerance`."""

    def goes_on(carry: tuple[State, jax.Array]) -> jax.Array:
        state, change = carry
        return (change > tolerance) & (state.step < max_iterations)

    def iterate(carry: tuple[State, jax.Array]) -> tuple[State, jax.Array]:
        state, metrics = learner.step(carry[0], mdp)
        return state, metrics["change"]

    first = learner.init(jax.random.key(0), hypers)
    state, _ = lax.while_loop(goes_on, iterate, (first, jnp.float32(jnp.inf)))
    q = action_values(mdp, state.values, state.hypers.discount)
    return Solution(state.values, q, jnp.argmax(q, axis=-1), state.step)
