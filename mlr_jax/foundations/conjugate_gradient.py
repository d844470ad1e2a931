"""The method of conjugate gradients (Hestenes & Stiefel, 1952): A x = b by products with A alone."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class Solution(NamedTuple):
    """x [N], the length of b - A x as the recurrence has it, the products with A it took, and how it ended."""

    x: jax.Array
    residual_norm: jax.Array
    iterations: jax.Array
    converged: jax.Array


class _State(NamedTuple):
    x: jax.Array
    residual: jax.Array
    direction: jax.Array
    square: jax.Array  # of the residual
    curvature_is_positive: jax.Array
    iterations: jax.Array


def conjugate_gradient(
    product: Callable[[jax.Array], jax.Array],
    b: jax.Array,
    start: jax.Array | None = None,
    *,
    tolerance: jax.typing.ArrayLike = 1e-5,
    max_iterations: int | None = None,
) -> Solution:
    """The x [N] that minimises x' A x / 2 - b' x for a symmetric positive definite A, given as x -> A x.

    Each step goes to the minimum along a direction that is conjugate (p' A q = 0) to all before, so that no minimum is
    undone and N steps are enough in exact arithmetic; with condition number k the error falls at least as fast as
    2 ((sqrt(k) - 1) / (sqrt(k) + 1))^n. Ends when |b - A x| <= tolerance |b|, after `max_iterations` (default 10 N),
    or at a direction with p' A p <= 0. The last means that A is not positive definite: there is no minimum, x is what
    was reached before, and `converged` says False. A matrix that is not symmetric is not noticed, and the answer then
    is wrong or not converged. Raises ValueError unless b has rank 1 and `start` its shape.
    """
    b = jnp.asarray(b)
    x = jnp.zeros_like(b) if start is None else jnp.asarray(start, b.dtype)
    if b.ndim != 1 or x.shape != b.shape:
        raise ValueError(f"b, start: got shapes {b.shape} and {x.shape}, both must be [N]")
    limit = 10 * b.shape[0] if max_iterations is None else max_iterations
    enough = jnp.square(jnp.asarray(tolerance, b.dtype)) * (b @ b)

    def unfinished(state: _State) -> jax.Array:
        return (state.square > enough) & state.curvature_is_positive & (state.iterations < limit)

    def iterate(state: _State) -> _State:
        image = product(state.direction)
        curvature = state.direction @ image
        positive = curvature > 0
        step = jnp.where(positive, state.square / jnp.where(positive, curvature, 1.0), 0.0)
        residual = state.residual - step * image
        square = residual @ residual
        direction = residual + (square / state.square) * state.direction
        return _State(state.x + step * state.direction, residual, direction, square, positive, state.iterations + 1)

    residual = b - product(x)
    first = _State(x, residual, residual, residual @ residual, jnp.bool_(True), jnp.int32(0))
    last = lax.while_loop(unfinished, iterate, first)
    return Solution(last.x, jnp.sqrt(last.square), last.iterations, last.square <= enough)
