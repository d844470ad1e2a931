"""Markov chain Monte Carlo: samples of a density that is known up to a constant.

A chain whose step leaves p(x) as it is has p as its long-run distribution. A step proposes x' and takes it with the
probability that makes the flows x -> x' and x' -> x equal (detailed balance); else it stays, which counts as a sample.
The log density maps a position [D] (any shape) to []; -inf and NaN are never moved to.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mlr_jax.core.types import Key

LogDensity = Callable[[jax.Array], jax.Array]


class State(NamedTuple):
    """Where a chain is, and the log density there."""

    position: jax.Array
    log_density: jax.Array


class Kernel(NamedTuple):
    """One step of a chain: key, state -> state, whether the proposal was accepted."""

    log_density: LogDensity
    step: Callable[[Key, State], tuple[State, jax.Array]]


class Chain(NamedTuple):
    """positions [T, ...] and accepted [T], whose mean is the acceptance rate."""

    positions: jax.Array
    accepted: jax.Array


def metropolis(log_density: LogDensity, scale: ArrayLike) -> Kernel:
    """Random walk: propose x + scale * noise, accept with min(1, p(x') / p(x)) (Metropolis et al., 1953).

    `scale` is [] or of the position's shape. The walk is best near an acceptance rate of 0.44 in one dimension and 0.23
    in many, with scale = 2.4 / sqrt(D) standard deviations (Gelman, Roberts & Gilks, 1996).
    """

    def step(key: Key, state: State) -> tuple[State, jax.Array]:
        key_move, key_accept = jax.random.split(key)
        noise = jax.random.normal(key_move, state.position.shape, state.position.dtype)
        position = state.position + jnp.asarray(scale, noise.dtype) * noise
        proposal = State(position, log_density(position))
        return _accept(key_accept, state, proposal, proposal.log_density - state.log_density)

    return Kernel(log_density, step)


def hmc(log_density: LogDensity, step_size: ArrayLike, *, num_steps: int) -> Kernel:
    """Hamiltonian Monte Carlo (Duane et al., 1987; Neal, 2011): a ball rolls over the surface -log p(x).

    Draw a momentum from N(0, I), follow the motion for `num_steps` leapfrog steps, accept with min(1, exp(H - H')).
    The exact motion would keep H = -log p(x) + |momentum|^2 / 2, so proposals are far away and yet mostly taken (best
    near 0.65). `step_size`, [] or of the position's shape, should be below the smallest standard deviation. A
    trajectory as long as the period of an oscillation ends where it began: take another length then.
    """

    def step(key: Key, state: State) -> tuple[State, jax.Array]:
        key_momentum, key_accept = jax.random.split(key)
        momentum = jax.random.normal(key_momentum, state.position.shape, state.position.dtype)
        position, new_momentum = leapfrog(log_density, state.position, momentum, step_size, num_steps=num_steps)
        proposal = State(position, log_density(position))
        kinetic_fall = 0.5 * (jnp.sum(jnp.square(momentum)) - jnp.sum(jnp.square(new_momentum)))
        return _accept(key_accept, state, proposal, proposal.log_density - state.log_density + kinetic_fall)

    return Kernel(log_density, step)


def leapfrog(
    log_density: LogDensity, position: jax.Array, momentum: jax.Array, step_size: ArrayLike, *, num_steps: int
) -> tuple[jax.Array, jax.Array]:
    """The motion dx/dt = m, dm/dt = grad log p(x), in steps of half a kick, a drift, half a kick.

    Reversible (turn the momentum round and it goes back) and volume preserving, which is what makes the acceptance rule
    right; the energy is off by O(step_size^2), without drift.
    """
    slope, step_size = jax.grad(log_density), jnp.asarray(step_size, position.dtype)

    def step(_: int, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        position, momentum, force = carry
        momentum = momentum + 0.5 * step_size * force
        position = position + step_size * momentum
        force = slope(position)
        return position, momentum + 0.5 * step_size * force, force

    position, momentum, _ = lax.fori_loop(0, num_steps, step, (position, momentum, slope(position)))
    return position, momentum


def run_chain(kernel: Kernel, key: Key, start: jax.Array, num_samples: int) -> Chain:
    """The chain from a start of positive density; vmap over keys and starts for many, and drop their beginnings."""
    start = jnp.asarray(start, jnp.result_type(start, float))

    def step(state: State, index: jax.Array) -> tuple[State, Chain]:
        state, accepted = kernel.step(jax.random.fold_in(key, index), state)
        return state, Chain(state.position, accepted)

    return lax.scan(step, State(start, kernel.log_density(start)), jnp.arange(num_samples))[1]


def scale_reduction(positions: jax.Array) -> jax.Array:
    """R-hat (Gelman & Rubin, 1992) of positions [chains, T, ...]: near 1 where the chains have forgotten their starts.

    The root of (the variance of all samples, estimated from between and within chains) / (the variance within chains).
    """
    length = positions.shape[1]
    within = jnp.mean(jnp.var(positions, axis=1, ddof=1), axis=0)
    between = jnp.var(jnp.mean(positions, axis=1), axis=0, ddof=1)
    return jnp.sqrt((length - 1) / length + between / within)


def _accept(key: Key, state: State, proposal: State, log_ratio: jax.Array) -> tuple[State, jax.Array]:
    # 1 - u lies in (0, 1], so that a ratio of 0 is never accepted; a ratio of NaN fails every comparison.
    log_threshold = jnp.log1p(-jax.random.uniform(key, dtype=log_ratio.dtype))
    accepted = log_threshold < log_ratio
    return jax.tree.map(lambda new, old: jnp.where(accepted, new, old), proposal, state), accepted
