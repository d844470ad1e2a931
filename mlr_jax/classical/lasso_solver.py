"""The minimiser of a weighted squared error with an elastic net penalty, by FISTA to the duality gap.

With u_j = sigma_j w_j, where sigma_j is the standard deviation of column j, it minimises

    1/2 u' A u - c' u + h(u),   A the correlation matrix,   h(u) = sum_j lambda_j |u_j| + 1/2 rho_j u_j²

    lambda_j = alpha l1_ratio / sigma_j,   rho_j = alpha (1 - l1_ratio) / sigma_j²

A change of each scale alone leaves the penalty a sum over coordinates, and makes the curvatures alike.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical import fista
from mlr_jax.classical.moments import means, moments
from mlr_jax.classical.rows import at_least_tiny
from mlr_jax.core.collectives import data_sum
from mlr_jax.core.implicit import implicit_minimum


class Rows(NamedTuple):
    """What A u is computed from where A itself is not."""

    x: jax.Array  # [N, D]
    share: jax.Array  # [N], weights that add up to one over all devices


class Quadratic(NamedTuple):
    """1/2 u' A u - c' u, and the way back."""

    data: Rows | jax.Array  # the rows, or A [D, D]
    c: jax.Array  # [D]
    variance: jax.Array  # [], of y
    sigma: jax.Array  # [D]; of a constant column infinite, so that its coefficient is zero
    mean_x: jax.Array  # [D]
    mean_y: jax.Array  # []


class Penalty(NamedTuple):
    """h, with weights for each coordinate."""

    lambdas: jax.Array  # [D]
    rhos: jax.Array  # [D]


def from_moments(x: jax.Array, y: jax.Array, weight: jax.Array, fit_intercept: bool) -> Quadratic:
    """A from the rows, once and for all."""
    known = moments(x, y[:, None], weight, centred=fit_intercept)
    per_row = 1.0 / at_least_tiny(known.total)
    sigma = _sigma(jnp.diagonal(known.xx) * per_row, known.mean_x)
    correlations = known.xx * per_row / sigma[:, None] / sigma[None]
    return Quadratic(
        correlations, known.xy[:, 0] * per_row / sigma, known.yy[0] * per_row, sigma, known.mean_x, known.mean_y[0]
    )


def from_rows(x: jax.Array, y: jax.Array, weight: jax.Array, fit_intercept: bool) -> Quadratic:
    """The same without A."""
    total, mean_x, mean_y = means(x, y[:, None], weight, centred=fit_intercept)
    rows = Rows(x, weight / at_least_tiny(total))
    dx, dy = x - mean_x[None], y - mean_y[0]
    share = rows.share[:, None]
    off, squares, variance = data_sum((jnp.sum(share * dx, 0), jnp.sum(share * dx**2, 0), jnp.sum(rows.share * dy**2)))
    if fit_intercept:  # what rounding left of the mean is put right
        mean_x, squares = mean_x + off, squares - off**2
    sigma = _sigma(squares, mean_x)
    return Quadratic(rows, _products(rows, mean_x, dy) / sigma, variance, sigma, mean_x, mean_y[0])


def gradient(quadratic: Quadratic, u: jax.Array) -> jax.Array:
    """A u - c."""
    if isinstance(quadratic.data, Rows):
        w = u / quadratic.sigma
        fit = quadratic.data.x @ w - quadratic.mean_x @ w
        return _products(quadratic.data, quadratic.mean_x, fit) / quadratic.sigma - quadratic.c
    return quadratic.data @ u - quadratic.c


def penalty_of(quadratic: Quadratic, alpha: jax.Array, l1_ratio: jax.Array) -> Penalty:
    """h in standardised coordinates."""
    return Penalty(alpha * l1_ratio / quadratic.sigma, alpha * (1.0 - l1_ratio) / quadratic.sigma**2)


def proximal(penalty: Penalty, v: jax.Array, t: jax.Array) -> jax.Array:
    """argmin_u h(u) + ||u - v||² / 2t: the soft threshold, shrunk."""
    return jnp.sign(v) * jnp.maximum(jnp.abs(v) - t * penalty.lambdas, 0.0) / (1.0 + t * penalty.rhos)


def minimise(
    quadratic: Quadratic, penalty: Penalty, threshold: jax.Array, max_iterations: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """u [D], its duality gap, and the number of iterations; ends where the gap is at most the threshold."""
    num_features = quadratic.c.shape[0]

    def is_on(carry: tuple) -> jax.Array:
        _, gap, iterations = carry
        return ~(gap <= threshold) & (iterations < max_iterations)

    def iterate(carry: tuple) -> tuple:
        state, _, iterations = carry
        state = fista.step(lambda u: gradient(quadratic, u), lambda v, t: proximal(penalty, v, t), state, num_features)
        return state, duality_gap(quadratic, penalty, state), iterations + 1

    start = fista.init(jnp.zeros_like(quadratic.c), -quadratic.c, jnp.ones_like(quadratic.variance))
    gap = duality_gap(quadratic, penalty, start)
    state, gap, iterations = lax.while_loop(is_on, iterate, (start, gap, jnp.int32(0)))
    return state.point, gap, iterations


def duality_gap(quadratic: Quadratic, penalty: Penalty, state: fista.State) -> jax.Array:
    """How far the objective may be above its minimum: the lesser of two bounds.

    One takes the penalty's square as rows of their own and scales the residual until no product with a column exceeds
    lambda_j; the other, for rho_j > 0, sums h(u) + h*(-g) + u g with h* the conjugate of h and g = A u - c.
    """
    u, g = state.point, state.gradient
    explained = jnp.sum(quadratic.c * u)
    ridge = jnp.sum(penalty.rhos * u**2)
    squares = quadratic.variance + jnp.sum(u * g) - explained + ridge
    pull = jnp.abs(g + penalty.rhos * u)
    scale = jnp.minimum(1.0, jnp.min(jnp.where(pull > 0, penalty.lambdas / jnp.where(pull > 0, pull, 1.0), 1.0)))
    absolute = jnp.sum(penalty.lambdas * jnp.abs(u))
    scaled = 0.5 * squares * (1.0 + scale**2) + absolute - scale * (quadratic.variance - explained)
    excess = jnp.maximum(jnp.abs(g) - penalty.lambdas, 0.0)
    conjugate = jnp.where(excess > 0, excess**2 / jnp.where(penalty.rhos > 0, 2.0 * penalty.rhos, 0.0), 0.0)
    return jnp.minimum(scaled, jnp.sum(conjugate) + absolute + 0.5 * ridge + jnp.sum(u * g))


def differentiable(quadratic: Quadratic, penalty: Penalty, u: jax.Array) -> jax.Array:
    """u as a function of quadratic and penalty: coefficients that are zero stay so, signs stay as they are."""
    sign = jnp.sign(lax.stop_gradient(u))

    def slope(u: jax.Array) -> jax.Array:
        active = jnp.where(sign == 0, 0.0, u)
        return jnp.where(sign == 0, u, gradient(quadratic, active) + penalty.lambdas * sign + penalty.rhos * active)

    return implicit_minimum(slope, u)


def _products(rows: Rows, mean_x: jax.Array, values: jax.Array) -> jax.Array:
    """sum_i s_i (x_i - mean) values_i, [D]."""
    weighted = rows.share * values
    products, total = data_sum((weighted @ rows.x, jnp.sum(weighted)))
    return products - total * mean_x


def _sigma(variances: jax.Array, mean_x: jax.Array) -> jax.Array:
    variances = lax.stop_gradient(variances)  # a choice of coordinates
    is_constant = variances <= (4 * jnp.finfo(variances.dtype).eps * mean_x) ** 2
    return jnp.where(is_constant, jnp.inf, jnp.sqrt(jnp.where(is_constant, 1.0, variances)))
