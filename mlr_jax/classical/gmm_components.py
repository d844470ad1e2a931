"""The normal distributions of a mixture: densities of rows, and the sums that a step of EM is made of.

A component of mean m has the covariance matrix C = F'^-1 F^-1, with a "precision factor" F that is upper triangular:
y = F' (x - m) has no correlations, |y|² is the Mahalanobis distance, and log det C = -2 sum_d log F_dd. A diagonal
component keeps the D diagonal entries of C and F alone. Components are taken one after another: rows are subtracted
from each mean before anything is squared, which float32 needs, and memory is that of one.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import solve_triangular

from mlr_jax.classical.rows import at_least_tiny
from mlr_jax.core.collectives import data_sum


class Components(NamedTuple):
    """Weights [K] that sum to one, means [K, D], covariances and precision factors, both [K, D, D] or [K, D]."""

    weights: jax.Array
    means: jax.Array
    covariances: jax.Array
    factors: jax.Array


class Sums(NamedTuple):
    """What rows of responsibility r_kn add up to around a centre m_k, with d = x_n - m_k.

    total [K]: sum r; first [K, D]: sum r d; second [K, D, D] or [K, D]: sum r d d' or its diagonal.
    """

    total: jax.Array
    first: jax.Array
    second: jax.Array


def log_joint(components: Components, x: jax.Array) -> jax.Array:
    """log w_k + log Normal(x_n; m_k, C_k): x [N, D] -> [K, N]."""

    def of_one(component: Components) -> jax.Array:
        weight, mean, _, factor = component
        d, is_diagonal = x - mean[None], factor.ndim == 1
        distance = d**2 @ factor**2 if is_diagonal else jnp.sum((d @ factor) ** 2, axis=1)
        log_det = jnp.sum(jnp.log(factor if is_diagonal else jnp.diagonal(factor)))
        log_norm = jnp.log(weight) + log_det - 0.5 * x.shape[1] * math.log(2 * math.pi)
        return log_norm - 0.5 * distance

    return lax.map(of_one, components)


def sums_of(x: jax.Array, responsibilities: jax.Array, centers: jax.Array, *, diagonal: bool) -> Sums:
    """The sums over rows x [N, D] of responsibilities [K, N], of this device, around centers [K, D]."""

    def of_one(component: tuple[jax.Array, jax.Array]) -> Sums:
        r, center = component
        d = x - center[None]
        second = r @ d**2 if diagonal else (r[:, None] * d).T @ d
        return Sums(jnp.sum(r), r @ d, second)

    return lax.map(of_one, (responsibilities, centers))


def from_sums(sums: Sums, centers: jax.Array, regularization: jax.typing.ArrayLike) -> Components:
    """The components of greatest likelihood: weights, means and covariances by responsibility.

    The covariance is the second moment about the centre less that of the mean, so that digits are lost only where a
    mean moves much farther than the spread of its component. `regularization` is added to its diagonal.
    """
    count = at_least_tiny(sums.total)
    shift = sums.first / count[:, None]
    weights = sums.total / at_least_tiny(jnp.sum(sums.total))
    regularization = jnp.asarray(regularization, shift.dtype)
    if sums.second.ndim == 2:
        covariances = jnp.maximum(sums.second / count[:, None] - shift**2, 0.0) + regularization
        return Components(weights, centers + shift, covariances, 1.0 / jnp.sqrt(covariances))
    covariances = sums.second / count[:, None, None] - shift[:, :, None] * shift[:, None]
    covariances = covariances + regularization * jnp.eye(shift.shape[1], dtype=shift.dtype)[None]
    return Components(weights, centers + shift, covariances, lax.map(_factor, covariances))


def from_responsibilities(
    x: jax.Array, responsibilities: jax.Array, regularization: jax.typing.ArrayLike, *, diagonal: bool
) -> Components:
    """The components of rows x [N, D] with responsibilities [K, N], weights of rows included, over all devices."""
    total, first = data_sum((jnp.sum(responsibilities), jnp.sum(responsibilities, axis=0) @ x))
    middle = jnp.broadcast_to(first / at_least_tiny(total), (responsibilities.shape[0], x.shape[1]))
    rough = data_sum(sums_of(x, responsibilities, middle, diagonal=True))
    means = middle + rough.first / at_least_tiny(rough.total)[:, None]
    return from_sums(data_sum(sums_of(x, responsibilities, means, diagonal=diagonal)), means, regularization)


def _factor(covariance: jax.Array) -> jax.Array:
    """F with F F' = C^-1 from the Cholesky factor L of C: F' = L^-1."""
    # C is known up to rounding only: one that is singular to that precision becomes just regular.
    slack = 2.0 * (covariance.shape[0] + 16) * jnp.finfo(covariance.dtype).eps
    identity = jnp.eye(covariance.shape[0], dtype=covariance.dtype)
    cholesky = jnp.linalg.cholesky(covariance * (1.0 + slack * identity))
    return solve_triangular(cholesky, identity, lower=True).T
