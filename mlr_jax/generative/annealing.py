"""Annealed importance sampling of log p(x) (Neal, 2001; for models with latent variables Wu et al., 2017).

A chain is led from the prior to the posterior through the densities p(z) p(x | z)^t, t rising from 0 to 1 in many small
steps: with z_0 ~ p(z), for i = 1, ..., n

    log w += (t_i - t_(i-1)) log p(x | z_(i-1)),   then z_i by a move that leaves p(z) p(x | z)^(t_i) as it is.

The mean of w is p(x), whatever the moves, and needs no encoder: what a bound loses through a poor q(z | x) it shows.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.core.types import Key, Variables
from mlr_jax.foundations.mcmc import State, hmc
from mlr_jax.generative.densities import log_standard_normal
from mlr_jax.generative.latent_model import LatentModel, decode

ACCEPTANCE, PATIENCE, FIRST_SIZE = 0.65, 0.1, 0.1
"""What share of proposals is wanted, how fast the size of a leapfrog step follows, and where it begins."""


class Place(NamedTuple):
    """Where on its way a chain is: the temperature [] and the size [] of its leapfrog steps."""

    temperature: jax.Array
    size: jax.Array


Move = Callable[[Key, jax.Array, Place], tuple[jax.Array, jax.Array]]
"""key, z [B, L], place -> z [B, L], accepted [B]."""


def temperatures(steps: int, sharpness: float = 4.0) -> jax.Array:
    """0 = t_0 < ... < t_steps = 1, [steps + 1]: a logistic curve, slow at both ends (Wu et al., 2017)."""
    curve = jax.nn.sigmoid(jnp.linspace(-sharpness, sharpness, steps + 1))
    return (curve - curve[0]) / (curve[-1] - curve[0])


def annealed_log_weights(
    model: LatentModel,
    params: Variables,
    x: jax.Array,
    y: jax.Array | None,
    key: Key,
    *,
    chains: int = 16,
    steps: int = 500,
    leapfrogs: int = 10,
) -> jax.Array:
    """log w of independent chains, x [B, *shape] -> [chains, B]; `likelihood.py: estimate` makes one number of them.

    A move is one of Hamiltonian Monte Carlo. The sizes of its steps are found beforehand, by a chain for each row that
    is not counted: what is counted must not depend on its own past.
    """
    pilot_key, key = jax.random.split(key)
    plan, move = temperatures(steps), _moves(model, params, (x, y), leapfrogs)
    sizes = _tuned_sizes(move, pilot_key, (x.shape[0], model.latents), plan)

    def chain(key: Key) -> jax.Array:
        start_key, run_key = jax.random.split(key)

        def step(carry: tuple[jax.Array, jax.Array], index: jax.Array):
            z, log_weight = carry
            log_weight += (plan[index + 1] - plan[index]) * decode(model, params, z, y).log_prob(x)
            z, _ = move(jax.random.fold_in(run_key, index), z, Place(plan[index + 1], sizes[index]))
            return (z, log_weight), None

        start = jax.random.normal(start_key, (x.shape[0], model.latents))
        return lax.scan(step, (start, jnp.zeros(x.shape[0])), jnp.arange(steps))[0][1]

    return jax.vmap(chain)(jax.random.split(key, chains))


def _moves(model: LatentModel, params: Variables, rows: Any, leapfrogs: int) -> Move:
    """Each of the rows (x [B, *shape], y [B] or None) has a z of its own, which is accepted or stays."""

    def move_one(key: Key, z: jax.Array, row: Any, place: Place) -> tuple[jax.Array, jax.Array]:
        x, y = jax.tree.map(lambda leaf: leaf[None], row)

        def log_density(z: jax.Array) -> jax.Array:
            log_likelihood = decode(model, params, z[None], y).log_prob(x)
            return (log_standard_normal(z[None]) + place.temperature * log_likelihood)[0]

        kernel = hmc(log_density, place.size, num_steps=leapfrogs)
        state, accepted = kernel.step(key, State(z, log_density(z)))
        return state.position, accepted

    def move(key: Key, z_BxL: jax.Array, place: Place) -> tuple[jax.Array, jax.Array]:
        return jax.vmap(move_one, in_axes=(0, 0, 0, None))(jax.random.split(key, len(z_BxL)), z_BxL, rows, place)

    return move


def _tuned_sizes(move: Move, key: Key, shape: tuple[int, int], plan: jax.Array) -> jax.Array:
    """For each step of the plan the size at which chains of all rows accept the wanted share of proposals.

    log size rises where more were accepted, and falls where fewer were.
    """
    start_key, run_key = jax.random.split(key)

    def step(carry: tuple[jax.Array, jax.Array], index: jax.Array):
        z, log_size = carry
        z, accepted = move(jax.random.fold_in(run_key, index), z, Place(plan[index + 1], jnp.exp(log_size)))
        following = log_size + PATIENCE * (jnp.mean(accepted, dtype=jnp.float32) - ACCEPTANCE)
        return (z, following), jnp.exp(log_size)

    start = (jax.random.normal(start_key, shape), jnp.log(jnp.float32(FIRST_SIZE)))
    return lax.scan(step, start, jnp.arange(plan.shape[0] - 1))[1]
