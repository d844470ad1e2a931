"""Eigenvalues: power iteration, subspace iteration, and the QR algorithm they grow into.

Multiplying by A again and again stretches the component along the eigenvector of the largest |lambda| most. One vector
finds one eigenvector (power iteration); k vectors kept orthonormal by QR find the invariant subspace of k of them
(subspace iteration); and doing so with all N at once, while changing to the basis just found, is the QR algorithm.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.core.types import Key
from mlr_jax.foundations.qr import as_matrix, hessenberg, qr


class Eigenpairs(NamedTuple):
    """values [] or [K], vectors [N] or [N, K] of length one in columns, and how the iteration ended."""

    values: jax.Array
    vectors: jax.Array
    iterations: jax.Array
    converged: jax.Array


class Schur(NamedTuple):
    """A = q t q* with q [N, N] unitary and t [N, N] upper triangular: its diagonal holds the eigenvalues of A."""

    q: jax.Array
    t: jax.Array
    iterations: jax.Array
    converged: jax.Array


def power_iteration(
    a: jax.Array, key: Key, *, tolerance: jax.typing.ArrayLike = 1e-5, max_iterations: int = 10_000
) -> Eigenpairs:
    """The eigenvalue of largest modulus of a real a [N, N] and its vector (von Mises & Pollaczek-Geiringer, 1929).

    v <- A v / |A v|, lambda = v' A v, until |A v - lambda v| <= tolerance |lambda|. Each step shrinks the error by
    |lambda_2 / lambda_1|, so where two moduli tie (two signs, a complex pair) `converged` says False.
    """
    a = as_matrix(a, square=True)

    def unfinished(carry: tuple[Any, ...]) -> jax.Array:
        _, value, residual, iterations = carry
        return ~(residual <= tolerance * jnp.abs(value)) & (iterations < max_iterations)

    def iterate(carry: tuple[Any, ...]) -> tuple[Any, ...]:
        v, _, _, iterations = carry
        v = _unit(a @ v, otherwise=v)
        image = a @ v
        value = v @ image
        return v, value, jnp.linalg.norm(image - value * v), iterations + 1

    start = _unit(jax.random.normal(key, a.shape[:1], a.dtype), otherwise=jnp.ones_like(a[0]))
    infinity = jnp.full((), jnp.inf, a.dtype)
    v, value, residual, iterations = lax.while_loop(unfinished, iterate, (start, infinity * 0, infinity, jnp.int32(0)))
    return Eigenpairs(value, v, iterations, residual <= tolerance * jnp.abs(value))


def subspace_iteration(
    a: jax.Array, key: Key, *, rank: int, tolerance: jax.typing.ArrayLike = 1e-5, max_iterations: int = 10_000
) -> Eigenpairs:
    """The `rank` eigenpairs of largest modulus of a symmetric a [N, N], that of largest modulus first.

    Q <- the Q of A Q (Bauer, 1957), then the eigenpairs of Q' A Q [rank, rank] turn Q into eigenvectors (Rayleigh &
    Ritz). Ends when |A V - V Lambda| <= tolerance |Lambda|. The error shrinks by |lambda_(rank + 1) / lambda_rank| each
    time, so ties among the first `rank` do no harm. Raises ValueError for a rank outside 1 to N.
    """
    a = as_matrix(a, square=True)
    if not 1 <= rank <= a.shape[0]:
        raise ValueError(f"rank: got {rank}, allowed are 1 to {a.shape[0]}")

    def unfinished(carry: tuple[Any, ...]) -> jax.Array:
        _, values, residual, iterations = carry
        return ~(residual <= tolerance * jnp.linalg.norm(values)) & (iterations < max_iterations)

    def iterate(carry: tuple[Any, ...]) -> tuple[Any, ...]:
        basis, _, _, iterations = carry
        basis = qr(a @ basis).q
        ritz = eigh(basis.T @ a @ basis)
        order = jnp.argsort(-jnp.abs(ritz.values))
        values, basis = ritz.values[order], basis @ ritz.vectors[:, order]
        return basis, values, jnp.linalg.norm(a @ basis - basis * values[None]), iterations + 1

    basis = qr(jax.random.normal(key, (a.shape[0], rank), a.dtype)).q
    start = (basis, jnp.zeros(rank, a.dtype), jnp.full((), jnp.inf, a.dtype), jnp.int32(0))
    basis, values, residual, iterations = lax.while_loop(unfinished, iterate, start)
    return Eigenpairs(values, basis, iterations, residual <= tolerance * jnp.linalg.norm(values))


def eigh(a: jax.Array) -> Eigenpairs:
    """All eigenpairs of a symmetric or Hermitian a [N, N], of which (A + A*) / 2 is taken; values ascend.

    Errors of the values are some tens of eps |A|. Vectors are orthonormal, also where values repeat: then they are one
    of the many bases of the eigenspace.
    """
    a = as_matrix(a, square=True)
    q, t, iterations, converged = schur(0.5 * (a + a.conj().T))
    values = jnp.diag(t).real
    order = jnp.argsort(values)
    return Eigenpairs(values[order], q[:, order], iterations, converged)


def eigenvalues(a: jax.Array, *, max_iterations: int | None = None) -> jax.Array:
    """All eigenvalues [N] of any real or complex a [N, N], as complex numbers in no order; NaN if not converged."""
    a = as_matrix(a, square=True)
    factors = schur(a.astype(jnp.result_type(a.dtype, jnp.complex64)), max_iterations=max_iterations)
    return jnp.where(factors.converged, jnp.diag(factors.t), jnp.nan)


def schur(a: jax.Array, *, max_iterations: int | None = None) -> Schur:
    """The Schur form of a [N, N] by the shifted QR algorithm (Francis, 1961; Kublanovskaya, 1961; Wilkinson, 1968).

        T - mu I = Q R,    T <- R Q + mu I = Q* T Q

    starts from the Hessenberg form of A, which it keeps. With mu close to an eigenvalue, the last row's entry beside
    the diagonal goes to zero, quadratically, and cubically where A = A*; then the eigenvalue stands on the diagonal and
    the work goes on with one row and column less.

    A real `a` must be symmetric: T is then diagonal and all stays real. Of a real matrix that is not, whose
    eigenvalues may be complex, pass a complex copy, as `eigenvalues` does. Takes about 2 N steps of O(N^3), at most
    `max_iterations` (default 30 N).
    """
    a = as_matrix(a, square=True)
    size = a.shape[0]
    limit = 30 * size if max_iterations is None else max_iterations
    scale = jnp.max(jnp.abs(a))
    scale = jnp.where(scale > 0, scale, 1.0)
    q, t = hessenberg(a / scale)
    eye, index = jnp.eye(size, dtype=a.dtype), jnp.arange(size)
    negligible = jnp.finfo(a.dtype).eps * jnp.linalg.norm(t)

    def unfinished(carry: tuple[Any, ...]) -> jax.Array:
        _, _, active, _, iterations = carry
        return (active > 1) & (iterations < limit)

    def iterate(carry: tuple[Any, ...]) -> tuple[Any, ...]:
        q, t, active, waited, iterations = carry
        inside = (index < active)[:, None] & (index < active)[None, :]
        shift = jnp.where(waited % 10 == 9, _exceptional_shift(t, active), _wilkinson_shift(t, active))
        rotation, r = qr(jnp.where(inside, t - shift * eye, eye))
        t = jnp.triu(jnp.where(inside, r @ rotation + shift * eye, rotation.conj().T @ t), -1)
        found = jnp.abs(t[active - 1, active - 2]) <= negligible
        t = t.at[active - 1, active - 2].multiply(jnp.where(found, 0.0, 1.0))
        return q @ rotation, t, active - found, jnp.where(found, 0, waited + 1), iterations + 1

    start = (q, t, jnp.int32(size), jnp.int32(0), jnp.int32(0))
    q, t, active, _, iterations = lax.while_loop(unfinished, iterate, start)
    return Schur(q, t * scale, iterations, active <= 1)


def _wilkinson_shift(t: jax.Array, active: jax.Array) -> jax.Array:
    """The eigenvalue of the last active 2x2 block [[a, b], [c, d]] that is closer to d: d - bc / (h +- root)."""
    a, b = t[active - 2, active - 2], t[active - 2, active - 1]
    c, d = t[active - 1, active - 2], t[active - 1, active - 1]
    half = 0.5 * (a - d)
    square = half * half + b * c
    root = jnp.sqrt(square if jnp.iscomplexobj(t) else jnp.maximum(square, 0.0))
    larger = jnp.where(jnp.abs(half + root) >= jnp.abs(half - root), half + root, half - root)
    return d - jnp.where(larger == 0, 0.0, b * c / jnp.where(larger == 0, 1.0, larger))


def _exceptional_shift(t: jax.Array, active: jax.Array) -> jax.Array:
    """Another shift for when Wilkinson's goes round in circles, as on a cyclic permutation."""
    return t[active - 1, active - 1] + 0.75 * jnp.abs(t[active - 1, active - 2])


def _unit(x: jax.Array, otherwise: jax.Array) -> jax.Array:
    """x / |x|, or another vector where x is zero."""
    norm = jnp.linalg.norm(x)
    return jnp.where(norm > 0, x / jnp.where(norm > 0, norm, 1.0), otherwise)
