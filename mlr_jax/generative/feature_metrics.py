"""How near generated examples are to real ones, by what a network sees in both: features x [N, D] and y [M, D].

The features are those of any classifier. With Inception's the Frechet distance is the literature's "FID"; with those of
another network it is the same formula, but numbers compare only within one network, and with as many rows.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

BLOCK = 256
"""Rows whose distances to all others are in memory at a time."""


def frechet_distance(x: jax.Array, y: jax.Array) -> jax.Array:
    """The squared 2-Wasserstein distance of two normal distributions with the rows' moments (Heusel et al., 2017).

        d = |mean_x - mean_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^(1/2)),   S with N - 1 in the denominator; returns []

    The covariances are not formed. With centred rows X / sqrt(N - 1) = Q R, S_x = R_x' R_x, and the last trace is the
    sum of the singular values of R_x R_y'. Nothing is squared on the way, of which the root would have half the digits,
    so single precision will do, also with fewer rows than features. It is never below 0 by more than rounding.
    Raises ValueError for features of different lengths and for less than two rows.
    """
    _check(x, y)
    (mean_x, root_x), (mean_y, root_y) = map(_mean_and_root, (x, y))
    return _distance(mean_x - mean_y, root_x, root_y)


def frechet_distance_of_moments(
    mean_x: jax.Array, covariance_x: jax.Array, mean_y: jax.Array, covariance_y: jax.Array
) -> jax.Array:
    """The same of means [D] and covariances [D, D], as published statistics of large sets give them. Returns [].

    Small eigenvalues of a covariance are known to its rounding only, and their roots to that number's root: give it in
    double precision where some are small. Those below 0 count as 0.
    """
    return _distance(mean_x - mean_y, _root(covariance_x), _root(covariance_y))


def _distance(difference: jax.Array, root_x: jax.Array, root_y: jax.Array) -> jax.Array:
    shared = jnp.linalg.svd(root_x @ root_y.T, compute_uv=False)
    traces = jnp.sum(jnp.square(root_x)) + jnp.sum(jnp.square(root_y))
    return jnp.sum(jnp.square(difference)) + traces - 2.0 * jnp.sum(shared)


def _mean_and_root(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The mean, [D], and R [min(N, D), D] with R' R the covariance."""
    mean = jnp.mean(x, axis=0)
    return mean, jnp.linalg.qr((x - mean[None]) / (x.shape[0] - 1) ** 0.5, mode="r")


def _root(covariance: jax.Array) -> jax.Array:
    values, vectors = jnp.linalg.eigh(covariance)
    return jnp.sqrt(jnp.maximum(values, 0.0))[:, None] * vectors.T


class PrecisionRecall(NamedTuple):
    """The share of generated examples that look real, and the share of real ones that could have been generated."""

    precision: jax.Array
    recall: jax.Array


def precision_recall(real: jax.Array, generated: jax.Array, *, neighbours: int = 3) -> PrecisionRecall:
    """How much of each set lies on the manifold of the other, both [] (Kynkaanniemi et al., 2019).

    A manifold is taken as the union of a ball around each row, which reaches as far as the k-th nearest other row of
    its set. real [N, D], generated [M, D]; take about as many of both. Raises ValueError for features of different
    lengths and where a set has not more rows than `neighbours`.
    """
    _check(real, generated)
    if not 1 <= neighbours < min(real.shape[0], generated.shape[0]):
        least = min(real.shape[0], generated.shape[0])
        raise ValueError(f"neighbours: got {neighbours}, allowed are 1 to {least - 1}, one less than the rows")
    centre = jnp.mean(real, axis=0)[None]  # distances by products round off by the size of the rows
    real, generated = real - centre, generated - centre
    return PrecisionRecall(_covered(generated, real, neighbours), _covered(real, generated, neighbours))


def _covered(x: jax.Array, y: jax.Array, neighbours: int) -> jax.Array:
    """The share of rows of x that lie in the ball of a row of y, []."""
    radii = _squared_radii(y, neighbours)
    is_in = lax.map(lambda row: jnp.any(_squared_distances(row, y) <= radii), x, batch_size=BLOCK)
    return jnp.mean(is_in.astype(x.dtype))


def _squared_radii(y: jax.Array, neighbours: int) -> jax.Array:
    """The squared distance from each row to its k-th nearest other one, [M]."""
    numbers = jnp.arange(y.shape[0])

    def radius(row: jax.Array, number: jax.Array) -> jax.Array:
        distances = jnp.where(numbers == number, jnp.inf, _squared_distances(row, y))
        return -lax.top_k(-distances, neighbours)[0][-1]

    return lax.map(lambda pair: radius(*pair), (y, numbers), batch_size=BLOCK)


def _squared_distances(row: jax.Array, y: jax.Array) -> jax.Array:
    """From row [D] to each of y [M, D]: [M]. A product of matrices, once rows are taken together."""
    return jnp.maximum(jnp.sum(jnp.square(row)) + jnp.sum(jnp.square(y), axis=1) - 2.0 * (y @ row), 0.0)


def _check(x: jax.Array, y: jax.Array) -> None:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"features: got shapes {x.shape} and {y.shape}, both must be [rows, features] of one length")
    if min(x.shape[0], y.shape[0]) < 2:
        raise ValueError(f"features: got {x.shape[0]} and {y.shape[0]} rows, at least 2 of each are needed")
