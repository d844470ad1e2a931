"""Normal equations (S_xx + alpha I) w = s_xy of centred rows: the fast way to least squares, where it is safe.

Forming S_xx squares the condition number, so the pivots of its Cholesky factor are looked at. With columns scaled to
length one, the square of pivot j is the share of column j that those before it do not explain (with the penalty counted
as rows). Where a share is lost in rounding, the singular values of the rows decide, and what the rows do not determine
is set by the least norm (Golub, 1965).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap

from mlr_jax.classical.moments import Moments
from mlr_jax.core.implicit import implicit_minimum

LEAST_SINGULAR_VALUE = 1e-10
"""Relative to the greatest one; below it, and below 64 times the rounding, a direction counts as not determined."""


def solve(moments: Moments, alpha: jax.Array, otherwise: Callable[..., jax.Array], rows: tuple = ()) -> jax.Array:
    """w [D, T], differentiable in moments and alpha.

    It is otherwise(*rows, moments, alpha) where the normal equations are too ill-conditioned.
    """
    varies = varying(moments)
    gram = jnp.where(varies[:, None] & varies[None], moments.xx, 0.0) + alpha * jnp.eye(len(varies), dtype=alpha.dtype)
    right_side = jnp.where(varies[:, None], moments.xy, 0.0)
    fixed_gram, fixed_side = lax.stop_gradient((gram, right_side))

    squares = jnp.diagonal(fixed_gram)
    scale = jnp.where(squares > 0, lax.rsqrt(jnp.where(squares > 0, squares, 1.0)), 0.0)
    scaled = fixed_gram * scale[:, None] * scale[None] + jnp.diag((squares <= 0).astype(alpha.dtype))
    factor = jnp.linalg.cholesky(scaled)
    is_safe = jnp.min(jnp.diagonal(factor)) ** 2 > 10 * jnp.finfo(alpha.dtype).eps ** 0.5
    direct = scale[:, None] * jax.scipy.linalg.cho_solve((factor, True), scale[:, None] * fixed_side)
    arguments = lax.stop_gradient((*rows, moments, alpha))
    solution = _where_needed(~is_safe, otherwise, arguments, jnp.where(is_safe, direct, 0.0))
    return implicit_minimum(lambda w: gram @ w - right_side, solution, lambda w: scale[:, None] ** 2 * w)


def varying(moments: Moments) -> jax.Array:
    """Which columns of x are more than a constant and its rounding, [D]."""
    eps = jnp.finfo(moments.xx.dtype).eps
    return jnp.diagonal(moments.xx) > moments.total * (4 * eps * moments.mean_x) ** 2


def by_eigenvalues(moments: Moments, alpha: jax.Array) -> jax.Array:
    """w [D, T] of least norm from the moments alone: half the digits of a singular value are lost in its square."""
    varies = varying(moments)
    values, vectors = jnp.linalg.eigh(jnp.where(varies[:, None] & varies[None], moments.xx, 0.0))
    least = len(varies) * jnp.finfo(values.dtype).eps * values[-1]
    inverse = jnp.where(values > least, 1.0 / (values + alpha), 0.0)
    return vectors @ (inverse[:, None] * (vectors.T @ jnp.where(varies[:, None], moments.xy, 0.0)))


def by_orthogonal_factors(dx: jax.Array, dy: jax.Array, alpha: jax.Array) -> jax.Array:
    """w [D, T] from centred rows dx [N, D] and dy [N, T], multiplied by the roots of their weights, where N > D.

    The triangle R of (dx, dy) = Q R holds all that the rows say, in D + T rows; the penalty is D rows more. Which
    directions are determined shows in columns scaled to length one; what has least norm is said without the scales.
    """
    num_features = dx.shape[1]
    triangle = jnp.linalg.qr(jnp.concatenate([dx, dy], axis=1), mode="r")
    penalty = jnp.sqrt(alpha) * jnp.eye(num_features, triangle.shape[1], dtype=dx.dtype)
    a, b = jnp.split(jnp.concatenate([triangle, penalty]), [num_features], axis=1)
    lengths = jnp.sqrt(jnp.sum(a**2, axis=0))
    scale = jnp.where(lengths > 0, 1.0 / jnp.where(lengths > 0, lengths, 1.0), 1.0)[:, None]
    left, values, right = jnp.linalg.svd(a * scale.T, full_matrices=False)
    is_known = values > _least(values)
    w = scale * (right.T @ (jnp.where(is_known, 1.0 / jnp.where(is_known, values, 1.0), 0.0)[:, None] * (left.T @ b)))
    free, lengths, _ = jnp.linalg.svd(jnp.where(is_known[None], 0.0, scale * right.T))
    free = jnp.where(lengths > _least(lengths), free, 0.0)
    return w - free @ (free.T @ w)


def by_singular_values(dx: jax.Array, dy: jax.Array, alpha: jax.Array) -> jax.Array:
    """The same where N <= D; the factors are shared by any number of alphas in a vmap."""
    left, values, right = jnp.linalg.svd(dx, full_matrices=False)
    inverse = jnp.where(values > _least(values), values / (values**2 + alpha), 0.0)
    return right.T @ (inverse[:, None] * (left.T @ dy))


def _least(values: jax.Array) -> jax.Array:
    return max(LEAST_SINGULAR_VALUE, 64 * float(jnp.finfo(values.dtype).eps)) * values[0]


def _where_needed(needed: jax.Array, function: Callable[..., jax.Array], arguments: Any, value: jax.Array) -> jax.Array:
    """function(*arguments) where needed, else the value.

    A branch, which under vmap becomes a loop: there `lax.cond` would run both sides in any case, while outside of vmap
    a loop copies the rows that it carries.
    """

    @custom_vmap
    def choose(needed: jax.Array, arguments: Any, value: jax.Array) -> jax.Array:
        return lax.cond(needed, lambda arguments, _: function(*arguments), lambda _, value: value, arguments, value)

    def loop(needed: jax.Array, arguments: Any, value: jax.Array) -> jax.Array:
        # The body does not depend on what the loop carries: without the barrier the compiler would compute it before.
        def body(state: tuple) -> tuple:
            late, _ = lax.optimization_barrier((arguments, state))
            return jnp.zeros_like(needed), function(*late)

        return lax.while_loop(lambda state: state[0], body, (needed, value))[1]

    @choose.def_vmap
    def choose_members(size: int, is_batched: Any, *operands: Any) -> tuple[jax.Array, bool]:
        axes = jax.tree.map(lambda batched: 0 if batched else None, is_batched)
        return jax.vmap(loop, tuple(axes), axis_size=size)(*operands), True

    return choose(needed, arguments, value)
