"""What agents share that learn from what they have just played, and then forget it: REINFORCE, A2C and PPO."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.core.gradient import Optimizer
from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.types import Hypers, Key, Metrics
from mlr_jax.ops.returns import gae
from mlr_jax.rl import normalise
from mlr_jax.rl.distributions import Categorical, Normal
from mlr_jax.rl.environment import Environment, env_params_of
from mlr_jax.rl.networks import Distribution, actor_critic
from mlr_jax.rl.normalise import Moments, RewardScale
from mlr_jax.rl.optimizer import clipped_adam
from mlr_jax.rl.play import Policy, play_episodes
from mlr_jax.rl.rollout import Actors, Memory, Trajectory, begin, memory_after, rollout


class State(NamedTuple):
    """Everything that the agent needs to go on, its environments included.

    seen, scale: moments of observations and of returns where they are normalised, else ()
    """

    step: jax.Array
    key: Key
    hypers: Hypers
    params: Any
    opt_state: Any
    actors: Actors
    seen: Moments | tuple[()]
    scale: RewardScale | tuple[()]


class Experience(NamedTuple):
    """What is learned from, leaves [T, N, ...]; log_prob and value are those of the policy that played."""

    observation: jax.Array
    start: jax.Array
    memory: Memory
    action: jax.Array
    log_prob: jax.Array
    value: jax.Array
    advantage: jax.Array
    target: jax.Array


class Agent(NamedTuple):
    """An environment, the network that acts in it, and its optimizer; what is normalised."""

    environment: Environment
    model: nn.Module
    optimizer: Optimizer
    normalise_observations: bool = False
    normalise_rewards: bool = False


def agent_of(
    environment: Environment,
    model: nn.Module | None = None,
    optimizer: Optimizer | None = None,
    normalise_observations: bool = False,
    normalise_rewards: bool = False,
) -> Agent:
    """What is not given is taken as usual: two perceptrons of 64, 64, and Adam at a constant rate."""
    model = actor_critic(environment) if model is None else model
    optimizer = clipped_adam() if optimizer is None else optimizer
    return Agent(environment, model, optimizer, normalise_observations, normalise_rewards)


def first_state(agent: Agent, num_envs: int, key: Key, hypers: Hypers) -> State:
    """Environments at the beginning of an episode, parameters of the network at random."""
    hypers = as_arrays(hypers)
    params_key, begin_key, run_key = jax.random.split(key, 3)
    model: Any = agent.model
    actors = begin(
        agent.environment, env_params_of(agent.environment, hypers), begin_key, num_envs, model.no_memory(num_envs)
    )
    params = model.init(params_key, actors.memory, actors.observation[None], actors.start[None])
    return State(
        jnp.int32(0),
        run_key,
        hypers,
        params,
        agent.optimizer(hypers).init(params),
        actors,
        normalise.no_moments(agent.environment.observation_shape) if agent.normalise_observations else (),
        normalise.no_scale(num_envs) if agent.normalise_rewards else (),
    )


def play_on(agent: Agent, state: State, actors: Actors, key: Key, num_steps: int) -> tuple[Actors, Trajectory]:
    """A rollout by actions drawn from the policy; their log-probabilities are noted."""
    environment: Any = agent.environment
    discrete = environment.num_actions is not None
    kind, size = (Categorical, environment.num_actions) if discrete else (Normal, len(environment.action_low))

    def draw(key: Key, num_steps: int, num_envs: int) -> jax.Array:
        return kind.noise(key, (num_steps, num_envs, size))

    def act(noise: jax.Array, memory: Memory, observation: jax.Array, start: jax.Array):
        distribution, _, memory = _step(agent, state, memory, observation, start)
        action = distribution.sample_by(noise)
        return action, memory, distribution.log_prob(action)

    return rollout(
        environment, env_params_of(environment, state.hypers), act, actors, key,
        num_steps=num_steps, draw=draw, as_played=lambda action: within_bounds(environment, action),
    )  # fmt: skip


def look(seen: Moments | tuple[()], observation: jax.Array) -> jax.Array:
    """The observation as the network sees it."""
    return normalise.normalise(seen, observation) if isinstance(seen, Moments) else observation


def experience(agent: Agent, state: State, key: Key, num_steps: int) -> tuple[State, Experience]:
    """Play `num_steps` steps in every environment, and say how much better they went than was expected.

    The advantage is the generalised one, of hypers.discount and hypers.trace, and the target is value + advantage. The
    value of a final observation stands in for what would have followed where an episode was cut off.
    """
    hypers = state.hypers
    actors, played = play_on(agent, state, state.actors, key, num_steps)
    scale, reward = state.scale, played.reward
    if isinstance(scale, RewardScale):
        scale, reward = normalise.scale_rewards(scale, reward, played.ended, hypers.discount)
    value, following = _values(agent, state, actors, played)
    discounts = hypers.discount * (1.0 - played.terminated)
    traces = hypers.trace * (1.0 - played.ended)
    advantage = jax.vmap(gae, in_axes=1, out_axes=1)(reward, discounts, value, following, traces)
    learned_from = Experience(
        look(state.seen, played.observation), played.start, played.memory, played.action, played.noted,
        value, advantage, value + advantage,
    )  # fmt: skip
    seen = state.seen
    if isinstance(seen, Moments):  # only now: what was played must be learned from as it was seen
        seen = normalise.update(seen, played.observation.reshape(-1, *seen.mean.shape))
    return state._replace(actors=actors, seen=seen, scale=scale), learned_from


def _values(agent: Agent, state: State, actors: Actors, played: Trajectory) -> tuple[jax.Array, jax.Array]:
    """The values of what was acted in and of what followed, [T, N] each: all at once, in one flat product."""
    length, rows = played.start.shape

    def flat(leaf: jax.Array) -> jax.Array:
        return leaf.reshape(length * rows, *leaf.shape[2:])

    both: Any = jax.tree.map(
        lambda before, after: jnp.concatenate([flat(before), flat(after)]),
        (played.memory, played.observation, played.start),
        (memory_after(actors, played), played.final_observation, jnp.zeros_like(played.start)),
    )
    _, values, _ = _step(agent, state, *both)
    return values[: length * rows].reshape(length, rows), values[length * rows :].reshape(length, rows)


def _step(
    agent: Agent, state: State, memory: Memory, observation: jax.Array, start: jax.Array
) -> tuple[Distribution, jax.Array, Memory]:
    """The network at one time: distributions [N], values [N], memory."""
    observation = look(state.seen, observation)
    called: Any = agent.model.apply(state.params, memory, observation[None], start[None])
    distribution, value, memory = called
    return jax.tree.map(lambda leaf: leaf[0], distribution), value[0], memory


def within_bounds(environment: Environment, action: jax.Array) -> jax.Array:
    """A continuous action, cut off at -1 and 1 and stretched to the environment's bounds; a discrete one as it is."""
    if environment.action_low is None or environment.action_high is None:
        return action
    low, high = (jnp.asarray(end) for end in (environment.action_low, environment.action_high))
    return low + 0.5 * (high - low) * (jnp.clip(action, -1.0, 1.0) + 1.0)


def policy_of(agent: Agent, *, greedy: bool) -> Policy:
    """How the agent plays an episode: by the likeliest action, or as it does when it learns, at random."""
    model: Any = agent.model

    def start() -> Memory:
        return model.no_memory(1)

    def act(state: State, memory: Memory, observation: jax.Array, key: Key) -> tuple[jax.Array, Memory]:
        distribution, _, memory = _step(agent, state, memory, observation[None], jnp.zeros(1, bool))
        action = distribution.mode() if greedy else distribution.sample(key)
        return within_bounds(agent.environment, action[0]), memory

    return Policy(start, act)


def play(agent: Agent, state: State, keys: Key, *, greedy: bool) -> Metrics:
    """A whole episode for each of the keys [B]: its return and length, [B]."""
    environment = agent.environment._replace(params=env_params_of(agent.environment, state.hypers))
    return play_episodes(environment, policy_of(agent, greedy=greedy), state, keys)
