"""L-BFGS: Newton's method with a Hessian that is learnt from the last few moves (Nocedal, 1980).

It minimises a convex loss with a quadratic penalty,

    F(x) = f(x) + 1/2 sum_j rho_j x_j²

The penalty is known exactly, so what is remembered of a move s is the change of the gradient of f alone: the memory
stays true when the penalty changes, as it does along a path of penalties.

One iteration is one evaluation of f, at the end of the step that is being tried. A step that does not lower F enough
is shortened, and its direction is tried again in the next iteration: members of a vmap that accept their steps lose
nothing to those that do not.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

Loss = Callable[[jax.Array], "Evaluation"]
"""x -> f there, its gradient, and the diagonal of its Hessian."""


class Evaluation(NamedTuple):
    """Of a loss f at a point x: what L-BFGS needs. The diagonal of the Hessian is the metric that it starts from."""

    value: jax.Array  # []
    gradient: jax.Array  # of the shape of x
    curvature: jax.Array  # of the shape of x


class State(NamedTuple):
    """The best point so far, the step to try next, and the last moves, the latest one last."""

    point: jax.Array
    loss: Evaluation  # at the point; its value is infinite before the first iteration
    direction: jax.Array
    step_size: jax.Array  # []
    moves: jax.Array  # [memory, ...]: s
    changes: jax.Array  # [memory, ...]: those of the gradient of f over each move


def init(point: jax.Array, memory: int) -> State:
    """The state before the first iteration, which evaluates the point itself."""
    # Each array is one of its own: a learner's state is donated, and no buffer can be given away twice.
    moves, changes = (jnp.zeros((memory, *point.shape), point.dtype) for _ in range(2))
    return move_to(point, State(point, _nowhere(point), point, point, moves, changes))


def move_to(point: jax.Array, state: State) -> State:
    """The state at another point, or for another penalty, with what was learnt about the Hessian kept."""
    one = jnp.ones((), point.dtype)
    return State(point, _nowhere(point), jnp.zeros_like(point), one, state.moves, state.changes)


def step(loss: Loss, penalty: jax.Array, state: State) -> State:
    """One iteration: f is evaluated once, at the point that is tried."""
    trial = state.point + state.step_size * state.direction
    tried = loss(trial)
    slope = _dot(total_gradient(penalty, state.point, state.loss), state.direction)
    slope_there = _dot(total_gradient(penalty, trial, tried), state.direction)
    before, after = total_value(penalty, state.point, state.loss), total_value(penalty, trial, tried)
    # A part of what the slope promised (Armijo, 1966). Near the minimum rounding hides how much F falls, but the slope
    # at the trial point still tells that it does (Hager and Zhang, 2005).
    rounding = 10 * jnp.finfo(before.dtype).eps * jnp.abs(before)
    is_lower = after <= before + 1e-4 * state.step_size * slope
    accepted = is_lower | ((after <= before + rounding) & (slope_there <= -0.9 * slope))

    moves = _append(state.moves, trial - state.point)
    changes = _append(state.changes, tried.gradient - state.loss.gradient)
    known = jnp.isfinite(state.loss.value) & _is_curved(moves[-1], changes[-1])
    moves, changes = _choose(known, (moves, changes), (state.moves, state.changes))
    ahead = State(trial, tried, jnp.zeros_like(trial), jnp.ones_like(state.step_size), moves, changes)
    ahead = ahead._replace(direction=_direction(penalty, ahead))
    # The derivative along the direction is taken as linear: where it would vanish, within bounds.
    shorter = jnp.clip(jnp.nan_to_num(slope / (slope - slope_there), nan=0.1), 0.1, 0.5)
    return _choose(accepted, ahead, state._replace(step_size=state.step_size * shorter))


def total_gradient(penalty: jax.Array, point: jax.Array, loss: Evaluation) -> jax.Array:
    """The gradient of F."""
    return loss.gradient + penalty * point


def total_value(penalty: jax.Array, point: jax.Array, loss: Evaluation) -> jax.Array:
    """F."""
    return loss.value + 0.5 * jnp.sum(penalty * point**2)


def metric(penalty: jax.Array, loss: Evaluation) -> jax.Array:
    """The inverse of the diagonal of the Hessian of F, within what can be divided by."""
    curvature = loss.curvature + penalty
    floor = jnp.finfo(curvature.dtype).eps ** 2 * jnp.max(curvature)
    return 1.0 / jnp.maximum(curvature, jnp.maximum(floor, jnp.finfo(curvature.dtype).tiny))


def is_stuck(state: State) -> jax.Array:
    """Whether steps have become so short that rounding hides what they gain."""
    return state.step_size < jnp.finfo(state.step_size.dtype).eps


def _direction(penalty: jax.Array, state: State) -> jax.Array:
    """- H g, H the approximation of the inverse Hessian by two loops over the moves (Nocedal, 1980)."""
    inverse_curvature = metric(penalty, state.loss)
    moves, changes = state.moves, state.changes + penalty[None] * state.moves
    products = jax.vmap(_dot)(moves, changes)
    inverse = jnp.where(products > 0, 1.0 / jnp.where(products > 0, products, 1.0), 0.0)

    def newest_first(q: jax.Array, pair: tuple) -> tuple[jax.Array, jax.Array]:
        move, change, inverse = pair
        along = inverse * _dot(move, q)
        return q - along * change, along

    def oldest_first(r: jax.Array, pair: tuple) -> tuple[jax.Array, None]:
        move, change, inverse, along = pair
        return r + (along - inverse * _dot(change, r)) * move, None

    pairs = (moves, changes, inverse)
    q, along = lax.scan(newest_first, total_gradient(penalty, state.point, state.loss), pairs, reverse=True)
    scale = products[-1] / _dot(changes[-1], inverse_curvature * changes[-1])
    r = jnp.where(products[-1] > 0, scale, 1.0) * inverse_curvature * q
    r, _ = lax.scan(oldest_first, r, (*pairs, along))
    return -r


def _is_curved(move: jax.Array, change: jax.Array) -> jax.Array:
    """Whether the gradient rose along the move by more than rounding."""
    eps = jnp.finfo(move.dtype).eps
    return _dot(move, change) > eps * jnp.sqrt(_dot(move, move) * _dot(change, change))


def _nowhere(point: jax.Array) -> Evaluation:
    return Evaluation(jnp.full((), jnp.inf, point.dtype), jnp.zeros_like(point), jnp.zeros_like(point))


def _append(history: jax.Array, latest: jax.Array) -> jax.Array:
    return jnp.concatenate([history[1:], latest[None]])


def _choose(condition: jax.Array, first, second):
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), first, second)


def _dot(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.sum(a * b)
