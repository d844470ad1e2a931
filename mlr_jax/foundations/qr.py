"""The QR factorisation by Householder reflections (Householder, 1958).

A vector v of length one gives the reflection H = I - 2 v v*, which is unitary and its own inverse. One reflection turns
all of a column below its pivot to zero; one for each column turns A into R, and their product is Q:

    H_k ... H_2 H_1 A = R,    A = H_1 H_2 ... H_k R = Q R.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class QR(NamedTuple):
    """q [M, K] with orthonormal columns and r [K, N] upper triangular, K = min(M, N)."""

    q: jax.Array
    r: jax.Array


class Hessenberg(NamedTuple):
    """q [N, N] unitary and h [N, N] zero below its first subdiagonal, with A = q h q*."""

    q: jax.Array
    h: jax.Array


def qr(a: jax.Array) -> QR:
    """A = Q R for any real or complex a [M, N], of full rank or not (Golub & Van Loan, 2013, section 5.2).

    Where A is real and tall or square, the signs are those of LAPACK. Raises ValueError for another rank.
    """
    a = as_matrix(a)
    num_rows, num_columns = a.shape
    size = min(num_rows, num_columns)

    def eliminate(column: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        q, r = carry
        normal = reflector(r[:, column], column)
        return reflect_columns(q, normal), reflect_rows(r, normal)

    q, r = lax.fori_loop(0, size, eliminate, (jnp.eye(num_rows, dtype=a.dtype), a))
    return QR(q[:, :size], jnp.triu(r[:size]))


def hessenberg(a: jax.Array) -> Hessenberg:
    """A = Q H Q* with the eigenvalues of a [N, N]; H is tridiagonal where A = A* (Golub & Van Loan, section 7.4)."""
    a = as_matrix(a, square=True)
    size = a.shape[0]

    def eliminate(column: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        q, h = carry
        normal = reflector(h[:, column], column + 1)
        return reflect_columns(q, normal), reflect_columns(reflect_rows(h, normal), normal)

    q, h = lax.fori_loop(0, max(size - 2, 0), eliminate, (jnp.eye(size, dtype=a.dtype), a))
    return Hessenberg(q, jnp.triu(h, -1))


def reflector(x: jax.Array, pivot: jax.Array | int) -> jax.Array:
    """The v [M] whose reflection zeroes x [M] below its pivot and leaves alone what stands above it.

    v ~ x + s |x| e_pivot over the entries from the pivot on, with s the sign (or phase) of the pivot, so that nothing
    cancels. It is zero, no reflection, where there is nothing to do.
    """
    below = jnp.arange(x.shape[0]) > pivot
    greatest = jnp.maximum(jnp.max(jnp.where(below, jnp.abs(x), 0.0)), jnp.abs(x[pivot]))
    x = x / jnp.where(greatest > 0, greatest, 1.0)  # squares neither overflow nor vanish
    tail = jnp.where(below, x, 0.0)
    tail_square = jnp.sum(jnp.square(jnp.abs(tail)))
    needed = tail_square > 0

    def root(square: jax.Array) -> jax.Array:
        return jnp.sqrt(jnp.where(needed, square, 1.0))  # the root of 0 has no derivative

    phase = jnp.where(x[pivot] == 0, 1.0, jnp.sign(x[pivot]))
    v = tail.at[pivot].set(x[pivot] + phase * root(jnp.square(jnp.abs(x[pivot])) + tail_square))
    return jnp.where(needed, v, 0.0) / root(jnp.sum(jnp.square(jnp.abs(v))))


def reflect_rows(a: jax.Array, v: jax.Array) -> jax.Array:
    """(I - 2 v v*) A in the time of two products with a vector."""
    return a - 2.0 * jnp.outer(v, v.conj() @ a)


def reflect_columns(a: jax.Array, v: jax.Array) -> jax.Array:
    """A (I - 2 v v*)."""
    return a - 2.0 * jnp.outer(a @ v, v.conj())


def as_matrix(a: jax.typing.ArrayLike, square: bool = False) -> jax.Array:
    """A matrix of a floating dtype. Raises ValueError for another rank, no entries or, if asked, another shape."""
    a = jnp.asarray(a)
    a = a if jnp.issubdtype(a.dtype, jnp.inexact) else a.astype(jnp.float32)
    if a.ndim != 2 or 0 in a.shape or (square and a.shape[0] != a.shape[1]):
        raise ValueError(f"a: got shape {a.shape}, wanted {'[N, N]' if square else '[M, N]'} with N at least 1")
    return a
