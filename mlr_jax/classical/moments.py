"""First and second moments of weighted rows: all that a linear model of squared errors needs to know of them.

    n = sum_i w_i,   m = sum_i w_i z_i / n,   S = sum_i w_i (z_i - m)(z_i - m)'   with z = (x, y)

Moments of two sets give those of their union (Chan, Golub and LeVeque, 1983), so they can be gathered batch by batch,
and whatever is fitted to them no longer depends on the number of rows.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical.rows import at_least_tiny
from mlr_jax.core.collectives import data_axis_is_mapped, data_sum

BLOCK = 2048
"""Rows that are centred and multiplied at a time, in the cache."""


class Moments(NamedTuple):
    """Of rows x [N, D] with targets y [N, T] and weights w [N]; dx and dy are deviations from the means."""

    total: jax.Array  # [], sum w
    mean_x: jax.Array  # [D]
    mean_y: jax.Array  # [T]
    xx: jax.Array  # [D, D], sum w dx dx'
    xy: jax.Array  # [D, T], sum w dx dy'
    yy: jax.Array  # [T], sum w dy²


def no_moments(num_features: int, num_targets: int) -> Moments:
    """The moments of no rows."""
    d, t = num_features, num_targets
    return Moments(*(jnp.zeros(shape) for shape in ((), (d,), (t,), (d, d), (d, t), (t,))))


def moments(x: jax.Array, y: jax.Array, weight: jax.Array, *, centred: bool = True) -> Moments:
    """The moments of x [N, D], y [N, T] and weight [N], over all devices; not centred, all means are taken as zero.

    Block by block, each about its own mean: squares about zero would lose the digits of a mean that is large beside the
    spread, and a mean of all rows would take a pass of its own.
    """

    def of_block(start: jax.typing.ArrayLike, size: int) -> Moments:
        rows = (lax.dynamic_slice_in_dim(leaf, start, size) for leaf in (x, y, weight))
        return _of_rows(*rows, centred=centred)

    first = (x.shape[0] - 1) % BLOCK + 1
    gathered = of_block(0, first)
    if first < x.shape[0]:
        gathered = lax.fori_loop(
            0,
            (x.shape[0] - first) // BLOCK,
            lambda index, gathered: merge(gathered, of_block(first + index * BLOCK, BLOCK), centred=centred),
            gathered,
        )
    return _over_devices(gathered, centred)


def _of_rows(x: jax.Array, y: jax.Array, weight: jax.Array, *, centred: bool) -> Moments:
    """All products in one: of (dx, dy, 1), each row times the root of its weight."""
    total = jnp.sum(weight)
    per_row = _per_row(total, centred)
    mean_x, mean_y = weight @ x * per_row, weight @ y * per_row
    root = root_of(weight)
    sides = (deviations(x, mean_x, root), deviations(y, mean_y, root), root[:, None])
    columns = jnp.concatenate(sides, axis=1)
    d, end = x.shape[1], x.shape[1] + y.shape[1]
    products = columns.T @ columns
    # What rounding left of the means is put right.
    rest_x, rest_y = products[:d, end], products[d:end, end]
    off_x, off_y = rest_x * per_row, rest_y * per_row
    return Moments(
        total,
        mean_x + off_x,
        mean_y + off_y,
        products[:d, :d] - off_x[:, None] * rest_x[None],
        products[:d, d:end] - off_x[:, None] * rest_y[None],
        jnp.diagonal(products)[d:end] - off_y * rest_y,
    )


def _over_devices(local: Moments, centred: bool) -> Moments:
    """The moments of the rows of all devices together."""
    if not data_axis_is_mapped():
        return local
    total, sum_x, sum_y = data_sum((local.total, local.total * local.mean_x, local.total * local.mean_y))
    mean_x, mean_y = sum_x * _per_row(total, centred), sum_y * _per_row(total, centred)
    dx, dy = local.mean_x - mean_x, local.mean_y - mean_y
    xx = local.xx + local.total * dx[:, None] * dx[None]
    xy = local.xy + local.total * dx[:, None] * dy[None]
    return Moments(total, mean_x, mean_y, *data_sum((xx, xy, local.yy + local.total * dy**2)))


def means(x: jax.Array, y: jax.Array, weight: jax.Array, *, centred: bool = True) -> tuple[jax.Array, ...]:
    """The sum of the weights and the means of x and y; not centred, the means are zero."""
    total = data_sum(jnp.sum(weight))
    return total, *(data_sum(weight @ z) * _per_row(total, centred) for z in (x, y))


def root_of(weight: jax.Array) -> jax.Array:
    """The root of each weight: rows multiplied by it have products that are weighted."""
    # A root has no derivative at zero, and a row of weight zero needs none.
    return jnp.where(weight > 0, jnp.sqrt(jnp.where(weight > 0, weight, 1.0)), 0.0)


def deviations(z: jax.Array, mean: jax.Array, root: jax.Array) -> jax.Array:
    """Deviations of z [N, ...] from its mean, times the root of each row's weight."""
    return root[:, None] * (z - mean[None])


def merge(a: Moments, b: Moments, *, centred: bool = True) -> Moments:
    """The moments of two sets of rows together."""
    total = a.total + b.total
    share = b.total * _per_row(total, centred)
    dx, dy = b.mean_x - a.mean_x, b.mean_y - a.mean_y
    between = a.total * share
    return Moments(
        total,
        a.mean_x + share * dx,
        a.mean_y + share * dy,
        a.xx + b.xx + between * dx[:, None] * dx[None],
        a.xy + b.xy + between * dx[:, None] * dy[None],
        a.yy + b.yy + between * dy**2,
    )


def _per_row(total: jax.Array, centred: bool) -> jax.Array:
    return 1.0 / at_least_tiny(total) if centred else jnp.zeros_like(total)
