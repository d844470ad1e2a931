"""Derivatives by differences: no calculus needed, half or a third of the digits lost.

A difference over a distance h has a truncation error that falls with h and a rounding error that grows as eps / h. The
best h balances them, and it depends on the formula:

    forward  (f(x + h) - f(x)) / h            error h   + eps / h      h = eps^(1/2), error eps^(1/2)
    central  (f(x + h) - f(x - h)) / 2 h      error h^2 + eps / h      h = eps^(1/3), error eps^(2/3)
    second   the central formula twice        error h^2 + eps / h^2    h = eps^(1/4), error eps^(1/2)

(Nocedal & Wright, 2006, section 8.1). Steps are taken relative to max(|x|, 1).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

Function = Callable[[jax.Array], jax.Array]


def gradient(function: Function, *, step: float | None = None, central: bool = True) -> Function:
    """x [N] -> df/dx [N] of a function with one value."""
    return jacobian(function, step=step, central=central)


def jacobian(function: Function, *, step: float | None = None, central: bool = True) -> Function:
    """x [N] -> df/dx [..., N] of a function x [N] -> [...], by 2 N values of it (N + 1 where not central)."""

    def at(x: jax.Array) -> jax.Array:
        x = _as_point(x)
        nudges = _nudges(x, step, 1 / 3 if central else 1 / 2)

        def along(nudge: jax.Array) -> jax.Array:
            ahead, behind = x + nudge, x - nudge if central else x
            distance = jnp.sum(ahead - behind)  # what was really gone, which rounding keeps from being 2 h
            return (function(ahead) - function(behind)) / distance

        return jnp.moveaxis(jax.vmap(along)(nudges), 0, -1)

    return at


def hessian(function: Function, *, step: float | None = None) -> Function:
    """x [N] -> d^2f/dx^2 [N, N] of a function with one value, by 4 N^2 values of it."""

    def at(x: jax.Array) -> jax.Array:
        x = _as_point(x)
        nudges = _nudges(x, step, 1 / 4)

        def along(one: jax.Array, other: jax.Array) -> jax.Array:
            difference = function(x + one + other) - function(x + one - other)
            difference -= function(x - one + other) - function(x - one - other)
            return difference / (4.0 * jnp.sum(one) * jnp.sum(other))

        return jax.vmap(jax.vmap(along, (None, 0)), (0, None))(nudges, nudges)

    return at


def _nudges(x: jax.Array, step: float | None, power: float) -> jax.Array:
    """One small move along each axis, in rows [N, N]."""
    relative = jnp.finfo(x.dtype).eps ** power if step is None else step
    return jnp.diag(relative * jnp.maximum(jnp.abs(x), 1.0))


def _as_point(x: jax.typing.ArrayLike) -> jax.Array:
    """Raises ValueError unless x is [N]."""
    x = jnp.asarray(x)
    if x.ndim != 1:
        raise ValueError(f"x: got shape {x.shape}, wanted [N]")
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.float32)
