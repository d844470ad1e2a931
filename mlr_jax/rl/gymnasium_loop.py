"""A trained policy in an environment written in Python: Gymnasium's interface, stepped by a loop on the host.

It is for judging and showing what was trained inside JAX, not for training: every step asks the compiled policy once.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.types import Key, State
from mlr_jax.rl.play import Policy


def make(name: str, **keywords: Any) -> Any:
    """Gymnasium's environment of that name.

    Raises ValueError for a name that it does not know, and ImportError, saying what to install, where it is not there.
    """
    try:
        import gymnasium
    except ImportError as error:
        raise ImportError("gymnasium is not installed: pip install 'mlr-jax[gymnasium]'") from error
    try:
        return gymnasium.make(name, **keywords)
    except gymnasium.error.Error as error:
        raise ValueError(f"environment: got {name!r}; {error}") from error


def play_episodes(
    environment: Any, policy: Policy, state: State, key: Key, episodes: int, *, frames: bool = False
) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """Whole episodes of a Gymnasium environment, one after another.

    The environment is any object with `reset(seed=...)` and a `step(action)` of five values. Episode i is seeded with
    i, and the policy's randomness at step t of it is fold_in(fold_in(key, i), t). Returns `return` and `length`,
    [episodes], and, with `frames`, the pictures that `environment.render()` gave in the first episode.

    Raises ValueError for less than one episode.
    """
    if episodes < 1:
        raise ValueError(f"episodes: got {episodes}, at least 1 is needed")

    @jax.jit
    def act(state: State, memory: Any, observation: jax.Array, key: Key, time: jax.Array) -> tuple[jax.Array, Any]:
        return policy.act(state, memory, observation, jax.random.fold_in(key, time))

    returns, lengths, pictures = np.zeros(episodes), np.zeros(episodes, int), []
    for episode in range(episodes):
        observation, _ = environment.reset(seed=episode)
        memory, is_over, episode_key = policy.start(), False, jax.random.fold_in(key, episode)
        while not is_over:
            if frames and episode == 0:
                pictures.append(np.asarray(environment.render()))
            seen, time = _as_array(observation), jnp.int32(lengths[episode])
            action, memory = act(state, memory, seen, episode_key, time)
            observation, reward, terminated, truncated, _ = environment.step(_as_action(action))
            returns[episode] += float(reward)
            lengths[episode] += 1
            is_over = bool(terminated or truncated)
    return {"return": returns, "length": lengths}, pictures


def _as_array(observation: Any) -> jax.Array:
    """64-bit floats, which Python environments like, as the 32 bits that the policy was trained on."""
    array = np.asarray(observation)
    return jnp.asarray(array, jnp.float32 if array.dtype.kind == "f" else jnp.int32)


def _as_action(action: jax.Array) -> Any:
    array = np.asarray(action)
    return array if array.ndim else int(array)
