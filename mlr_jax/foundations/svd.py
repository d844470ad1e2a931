"""The singular value decomposition by one-sided Jacobi rotations (Hestenes, 1958; Demmel & Veselic, 1992)."""

from itertools import combinations
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.foundations.qr import as_matrix, qr


class SVD(NamedTuple):
    """A = u diag(s) vh: u [M, K], s [K] descending and not negative, vh [K, N], K = min(M, N)."""

    u: jax.Array
    s: jax.Array
    vh: jax.Array
    sweeps: jax.Array
    converged: jax.Array


def svd(a: jax.Array, *, max_sweeps: int = 30) -> SVD:
    """A = U S V' of a real a [M, N], of full rank or not.

    Rotations of two columns at a time make all columns of A V orthogonal; their lengths are then the singular values.
    Unlike the eigenvalues of A' A, whose small ones drown in the rounding errors of the large, it finds small singular
    values to as many digits as the columns of A hold. A sweep turns every pair once; about six to ten sweeps do.
    Raises ValueError for another rank and for a complex matrix.
    """
    a = as_matrix(a)
    if jnp.iscomplexobj(a):
        raise ValueError(f"a: got dtype {a.dtype}, wanted a real matrix")
    num_rows, num_columns = a.shape
    if num_rows < num_columns:
        u, s, vh, sweeps, converged = svd(a.T, max_sweeps=max_sweeps)
        return SVD(vh.T, s, u.T, sweeps, converged)
    scale = jnp.max(jnp.abs(a))
    scale = jnp.where(scale > 0, scale, 1.0)
    # What is done to the columns of A is done to those of I as well: [A; I] becomes [A V; V]. Stored by rows.
    columns = jnp.concatenate([a.T / scale, jnp.eye(num_columns, dtype=a.dtype)], axis=1)
    columns, sweeps, converged = _orthogonalise(columns, num_rows, max_sweeps)
    order = jnp.argsort(-jnp.linalg.norm(columns[:, :num_rows], axis=1))
    # The QR factorisation of orthogonal columns divides each by its length, and completes the basis where that is 0.
    u, r = qr(columns[order, :num_rows].T)
    lengths = jnp.diag(r)
    return SVD(u * jnp.where(lengths < 0, -1.0, 1.0)[None], jnp.abs(lengths) * scale, columns[order, num_rows:],
               sweeps, converged)  # fmt: skip


def _orthogonalise(columns: jax.Array, length: int, max_sweeps: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Sweeps until no two columns have a cosine above `length` eps; only their first `length` entries count."""
    size = columns.shape[0]
    pairs = jnp.array(list(combinations(range(size), 2)), jnp.int32).reshape(-1, 2)
    tolerance = length * jnp.finfo(columns.dtype).eps

    def rotate(columns: jax.Array, pair: jax.Array) -> tuple[jax.Array, jax.Array]:
        two = columns[pair]
        rotation, cosine = _jacobi_rotation(two[0, :length], two[1, :length])
        return columns.at[pair].set(rotation @ two), cosine

    def unfinished(carry: tuple[Any, ...]) -> jax.Array:
        _, cosine, sweeps = carry
        return (cosine > tolerance) & (sweeps < max_sweeps)

    def sweep(carry: tuple[Any, ...]) -> tuple[Any, ...]:
        columns, _, sweeps = carry
        columns, cosines = lax.scan(rotate, columns, pairs)
        return columns, jnp.max(cosines, initial=0.0), sweeps + 1

    start = (columns, jnp.full((), jnp.inf, columns.dtype), jnp.int32(0))
    columns, cosine, sweeps = lax.while_loop(unfinished, sweep, start)
    return columns, sweeps, cosine <= tolerance


def _jacobi_rotation(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The rotation [2, 2] that makes a and b orthogonal by the smaller of two angles, and the |cosine| they had.

    With z = (|b|^2 - |a|^2) / 2 a'b, the tangent of the angle is the smaller root of t^2 + 2 z t - 1 = 0.
    """
    a_norm, b_norm, product = jnp.linalg.norm(a), jnp.linalg.norm(b), a @ b
    skewed = (product != 0) & (a_norm > 0) & (b_norm > 0)
    safe = jnp.where(skewed, product, 1.0)
    z = (b_norm - a_norm) * (b_norm + a_norm) / (2.0 * safe)
    tangent = jnp.where(skewed, jnp.where(z < 0, -1.0, 1.0) / (jnp.abs(z) + jnp.hypot(1.0, z)), 0.0)
    cosine = 1.0 / jnp.hypot(1.0, tangent)
    sine = cosine * tangent
    between = jnp.where(skewed, jnp.abs(product) / jnp.where(skewed, a_norm * b_norm, 1.0), 0.0)
    return jnp.array([[cosine, -sine], [sine, cosine]]), between
