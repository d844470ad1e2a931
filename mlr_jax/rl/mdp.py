"""Finite Markov decision processes, written out as tables: what exact solutions are computed from."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.types import Key

LEFT, DOWN, RIGHT, UP = range(4)
"""Actions of a grid, numbered as in gymnax and Gymnasium."""

SMALL_LAKE = ("SFFF", "FHFH", "FFFH", "HFFG")
LARGE_LAKE = (
    "SFFFFFFF", "FFFFFFFF", "FFFHFFFF", "FFFFFHFF", "FFFHFFFF", "FHHFFFHF", "FHFFHFHF", "FFFHFFFG",
)  # fmt: skip


class MDP(NamedTuple):
    """S states, A actions.

    transition: p(s' | s, a), [S, A, S]; every row sums to one
    reward:     r(s, a, s') of the move from s to s', [S, A, S]
    terminal:   1 where an episode ends, [S]: nothing is earned from there on, whatever the tables say
    start:      probability of beginning in s, [S]
    """

    transition: jax.Array
    reward: jax.Array
    terminal: jax.Array
    start: jax.Array


def expected_reward(mdp: MDP) -> jax.Array:
    """r(s, a) = sum_s' p(s' | s, a) r(s, a, s'), [S, A]."""
    return jnp.sum(mdp.transition * mdp.reward, axis=-1)


def random_mdp(key: Key, num_states: int, num_actions: int, branching: int = 3) -> MDP:
    """Each action leads to one of `branching` random states; rewards are uniform in [0, 1]; no state is terminal.

    ("Garnet" problems: Archibald et al., 1995.) Raises ValueError for a branching outside 1 to the number of states.
    """
    if not 1 <= branching <= num_states:
        raise ValueError(f"branching: got {branching}, allowed are 1 to the {num_states} states")
    shape = (num_states, num_actions, num_states)
    place_key, weight_key, reward_key = jax.random.split(key, 3)
    rank = jnp.argsort(jnp.argsort(jax.random.uniform(place_key, shape)))
    weight = jnp.where(rank < branching, jax.random.exponential(weight_key, shape), 0.0)
    transition = weight / jnp.sum(weight, axis=-1, keepdims=True)
    start = jnp.full(num_states, 1.0 / num_states)
    return MDP(transition, jax.random.uniform(reward_key, shape), jnp.zeros(num_states), start)


def frozen_lake(lake: Sequence[str] = SMALL_LAKE, success: float = 1.0 / 3.0) -> MDP:
    """A walk over ice from S to G, which earns 1; holes H end it, and on ice the walker slips.

    A move goes where it is meant to with probability `success`, and to each side with half of the rest; the edge of the
    lake holds the walker. States are the tiles row by row. Raises ValueError for rows of different lengths, for tiles
    other than S, F, H and G, and for a lake without exactly one S.
    """
    tiles = _tiles(lake)
    rows, columns = tiles.shape
    place = np.arange(rows * columns).reshape(rows, columns)
    moved = {
        LEFT: place[:, np.maximum(np.arange(columns) - 1, 0)],
        DOWN: place[np.minimum(np.arange(rows) + 1, rows - 1)],
        RIGHT: place[:, np.minimum(np.arange(columns) + 1, columns - 1)],
        UP: place[np.maximum(np.arange(rows) - 1, 0)],
    }
    transition = np.zeros((place.size, 4, place.size))
    for action in range(4):
        for turn, probability in ((0, success), (1, (1 - success) / 2), (-1, (1 - success) / 2)):
            transition[place.ravel(), action, moved[(action + turn) % 4].ravel()] += probability
    flat = tiles.ravel()
    reward = np.broadcast_to(flat == "G", transition.shape)
    tables = transition, reward, np.isin(flat, ("H", "G")), flat == "S"
    return MDP(*(jnp.asarray(table, jnp.float32) for table in tables))


def _tiles(lake: Sequence[str]) -> np.ndarray:
    if not lake or len({len(row) for row in lake}) != 1 or set("".join(lake)) - set("SFHG"):
        raise ValueError(f"lake: got {list(lake)}, needed are rows of one length made of S, F, H and G")
    tiles = np.array([list(row) for row in lake])
    if (tiles == "S").sum() != 1:
        raise ValueError(f"lake: got {(tiles == 'S').sum()} starts S, exactly one is needed")
    return tiles
