"""FISTA: accelerated proximal gradient descent (Beck and Teboulle, 2009) for a quadratic function plus a simple one.

    minimise over u   1/2 u' A u - b' u + h(u),     prox_h(v, t) = argmin_u h(u) + ||u - v||² / 2t  known

The gradient of the quadratic is linear in u, so its value at the extrapolated point follows from those at the last two
points. One iteration then computes one gradient, at the new point, where the duality gap needs it as well.

The step 1 / L is found on the way: L grows where the curvature along a move exceeds it, and that move is made anew.
Momentum starts again where it leads uphill (O'Donoghue and Candes, 2015).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

GROWTH = 1.2
"""How far beyond a curvature that was too great L is set."""


class State(NamedTuple):
    """The last two points, the gradients of the quadratic there, and the momentum."""

    point: jax.Array
    gradient: jax.Array
    point_before: jax.Array
    gradient_before: jax.Array
    momentum: jax.Array  # [], t of Beck and Teboulle: 1 is none
    lipschitz: jax.Array  # [], L


def init(point: jax.Array, gradient: jax.Array, lipschitz: jax.Array) -> State:
    """The state at a point with the gradient of the quadratic there; L is a first guess of the greatest curvature."""
    # Copies: a learner's state is donated, and no buffer can be given away twice.
    return State(point, gradient, jnp.copy(point), jnp.copy(gradient), jnp.ones((), point.dtype), lipschitz)


def step(
    gradient: Callable[[jax.Array], jax.Array],
    proximal: Callable[[jax.Array, jax.Array], jax.Array],
    state: State,
    most_lipschitz: float,
) -> State:
    """One iteration; L is never set above `most_lipschitz`, a bound of the greatest eigenvalue of A."""
    next_momentum = 0.5 * (1.0 + jnp.sqrt(1.0 + 4.0 * state.momentum**2))
    beta = (state.momentum - 1.0) / next_momentum
    ahead = state.point + beta * (state.point - state.point_before)
    gradient_ahead = state.gradient + beta * (state.gradient - state.gradient_before)
    point = proximal(ahead - gradient_ahead / state.lipschitz, 1.0 / state.lipschitz)
    gradient_there = gradient(point)

    move = point - ahead
    length = jnp.sum(move**2)
    bend = jnp.sum(move * (gradient_there - gradient_ahead))
    # The curvature along a move that rounding has blurred says nothing.
    blur = 10 * jnp.finfo(bend.dtype).eps * jnp.sqrt(length * jnp.sum(gradient_there**2))
    too_curved = (bend - blur > state.lipschitz * length) & (state.lipschitz < most_lipschitz)
    steeper = jnp.minimum(GROWTH * bend / jnp.where(length > 0, length, 1.0), most_lipschitz)
    again = state._replace(lipschitz=jnp.maximum(steeper, state.lipschitz))

    uphill = jnp.sum((ahead - point) * (point - state.point)) > 0
    momentum = jnp.where(uphill, 1.0, next_momentum)
    moved = State(point, gradient_there, state.point, state.gradient, momentum, state.lipschitz)
    return jax.tree.map(lambda a, b: jnp.where(too_curved, a, b), again, moved)
