"""Learning action values in a table, from experience alone: SARSA, expected SARSA and Q-learning.

    Q(s, a) <- Q(s, a) + alpha (r + gamma v(s') - Q(s, a))

What v(s') is tells them apart: Q(s', a') of the action that is taken there (Rummery & Niranjan, 1994), its mean over
the policy, or max_a Q(s', a) (Watkins, 1989). The first two learn what the policy is worth that explores, the third
what the best one is. The policy is epsilon-greedy; nothing follows a terminal state, and where an episode is only cut
off, v(s') is still counted.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.types import Key, Learner, Metrics
from mlr_jax.rl.dynamic_programming import epsilon_greedy
from mlr_jax.rl.environment import Environment, env_params_of, number_of_actions
from mlr_jax.rl.play import Policy, play_episodes

Following = Callable[[jax.Array, jax.Array, jax.typing.ArrayLike], jax.Array]
"""v(s') from Q(s', .) [A], the action that is taken there [], and epsilon []."""


class Hypers(NamedTuple):
    """What a sweep can vary. The rate of the n-th visit to (s, a) is learning_rate / n ** decay."""

    learning_rate: float = 1.0
    decay: float = 0.6
    """Between 1/2 and 1 values converge (Robbins & Monro, 1951); 0 keeps the rate."""
    discount: float = 0.99
    epsilon: float = 0.1
    first_value: float = 0.0
    """Of every state and action; a high one makes the agent try everything."""


class State(NamedTuple):
    """The table [S, A], the visits of each entry [S, A], where the environment is and what is done there next."""

    step: jax.Array
    key: Key
    hypers: Hypers
    values: jax.Array
    visits: jax.Array
    env_state: Any
    observation: jax.Array
    action: jax.Array


def sarsa(environment: Environment, num_states: int, *, rollout: int = 100) -> Learner:
    """v(s') = Q(s', a'). A step of the learner is `rollout` steps of the environment, with an update for each."""
    return _learner(environment, num_states, rollout, lambda q, action, epsilon: q[action])


def expected_sarsa(environment: Environment, num_states: int, *, rollout: int = 100) -> Learner:
    """v(s') = sum_a pi(a | s') Q(s', a) (van Seijen et al., 2009)."""
    return _learner(environment, num_states, rollout, lambda q, action, epsilon: epsilon_greedy(q, epsilon) @ q)


def q_learning(environment: Environment, num_states: int, *, rollout: int = 100) -> Learner:
    """v(s') = max_a Q(s', a)."""
    return _learner(environment, num_states, rollout, lambda q, action, epsilon: jnp.max(q))


def _learner(environment: Environment, num_states: int, rollout: int, following: Following) -> Learner:
    """`evaluate(state, keys [B])` plays an episode greedily for each key: its return and length.

    The environment's observation is the number of its state. Raises ValueError for one without discrete actions.
    """
    num_actions = number_of_actions(environment, "tabular learning")

    def init(key: Key, hypers: Hypers) -> State:
        hypers = as_arrays(hypers)
        reset_key, action_key, key = jax.random.split(key, 3)
        observation, env_state = environment.reset(reset_key, env_params_of(environment, hypers))
        values = jnp.full((num_states, num_actions), hypers.first_value)
        observation = jnp.asarray(observation, jnp.int32)
        action = choose(values[observation], hypers.epsilon, action_key)
        visits = jnp.zeros((num_states, num_actions))
        return State(jnp.int32(0), key, hypers, values, visits, env_state, observation, action)

    def choose(q: jax.Array, epsilon: jax.typing.ArrayLike, key: Key) -> jax.Array:
        """The best action, one of them at random where several are, or with probability epsilon any."""
        chance = jax.random.uniform(key, (num_actions + 2,))  # one draw: here generating numbers is most of the work
        best = jnp.argmax(jnp.where(q == jnp.max(q), chance[2:], -1.0))
        anything = jnp.minimum(chance[1] * num_actions, num_actions - 1)
        return jnp.where(chance[0] < epsilon, anything, best).astype(jnp.int32)

    def live(state: State, key: Key) -> tuple[State, tuple[jax.Array, jax.Array]]:
        """One step of the environment, and what is learned from it."""
        step_key, next_key, first_key = jax.random.split(key, 3)
        hypers, s, a = state.hypers, state.observation, state.action
        observation, env_state, reward, terminated, truncated, info = environment.step(
            step_key, state.env_state, a, env_params_of(environment, hypers)
        )
        s_next = jnp.asarray(info["final_observation"], jnp.int32)
        a_next = choose(state.values[s_next], hypers.epsilon, next_key)
        v_next = jnp.where(terminated, 0.0, following(state.values[s_next], a_next, hypers.epsilon))
        error = reward + hypers.discount * v_next - state.values[s, a]
        visits = state.visits.at[s, a].add(1.0)
        values = state.values.at[s, a].add(hypers.learning_rate * visits[s, a] ** -hypers.decay * error)
        observation = jnp.asarray(observation, jnp.int32)
        anew = choose(values[observation], hypers.epsilon, first_key)
        action = jnp.where(terminated | truncated, anew, a_next)
        state = state._replace(
            values=values, visits=visits, env_state=env_state, observation=observation, action=action
        )
        return state, (jnp.square(error), jnp.asarray(reward, jnp.float32))

    def step(state: State, batch: None = None) -> tuple[State, Metrics]:
        keys = jax.random.split(jax.random.fold_in(state.key, state.step), rollout)
        state, (errors, rewards) = lax.scan(live, state, keys)
        return state._replace(step=state.step + 1), {"squared_error": jnp.mean(errors), "reward": jnp.mean(rewards)}

    def evaluate(state: State, keys: Key) -> Metrics:
        return play_episodes(environment, policy(), state, keys)

    return Learner(init, step, evaluate)


def policy() -> Policy:
    """The greedy policy."""
    return Policy(lambda: None, lambda state, memory, s, key: (jnp.argmax(state.values[s]).astype(jnp.int32), None))
