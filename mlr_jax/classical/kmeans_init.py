"""k-means++: first centres that are far apart (Arthur and Vassilvitskii, 2007).

Each centre is a row drawn with probability proportional to its weight times its squared distance D² to the nearest
centre so far. Rows are drawn by inverting the cumulative distribution in the order of the rows: one uniform number
names the same row whether a row is repeated or weighted, whether absent rows stand in between, and however the rows
are spread over devices.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.core.collectives import DATA_AXIS, data_axis_is_mapped, data_sum
from mlr_jax.core.types import Key

BLOCK = 256
"""Rows whose masses are summed before the cumulative sum is taken."""


def k_means_plus_plus(
    key: Key, x: jax.Array, weight: jax.Array, num_clusters: int, trials: int | None = None
) -> jax.Array:
    """First centres [K, D], each a row of x [N, D] whose weight [N] is not 0.

    For each centre after the first, `trials` rows are drawn and the one that leaves the smallest sum of w D² is kept;
    2 + floor(log K) of them where none is given, as in the authors' own program; 1 is the method as published.
    Where every row already stands on a centre, the rest are drawn by weight alone. Raises ValueError for no trials.
    """
    trials = 2 + int(math.log(num_clusters)) if trials is None else trials
    if trials < 1:
        raise ValueError(f"trials: got {trials}, at least 1 is needed")
    x, weight = jnp.asarray(x), jnp.asarray(weight)
    keys = jax.random.split(key, num_clusters)
    first = draw_rows(keys[0], x, weight, 1)

    def add_center(nearest: jax.Array, key: Key) -> tuple[jax.Array, jax.Array]:
        mass = weight * nearest
        candidates = draw_rows(key, x, jnp.where(data_sum(jnp.sum(mass)) > 0, mass, weight), trials)
        distances = jnp.minimum(nearest[None], squared_distances(candidates, x))
        best = jnp.argmin(data_sum(distances @ weight))
        return distances[best], candidates[best]

    _, others = lax.scan(add_center, squared_distances(first, x)[0], keys[1:])
    return jnp.concatenate([first, others])


def squared_distances(centers: jax.Array, x: jax.Array) -> jax.Array:
    """|c_k - x_n|² as |c|² - 2 c·x + |x|²: centers [K, D], x [N, D] -> [K, N].

    What is no greater than the rounding of that sum is 0, so that a row that stands on a centre has no mass.
    """
    norms = jnp.sum(centers**2, axis=1)[:, None] + jnp.sum(x**2, axis=1)[None]
    distances = norms - 2.0 * centers @ x.T
    return jnp.where(distances > 4.0 * jnp.finfo(x.dtype).eps * norms, distances, 0.0)


def draw_rows(key: Key, x: jax.Array, mass: jax.Array, draws: int) -> jax.Array:
    """Rows of x [N, D] drawn with replacement in proportion to mass [N] >= 0, over all devices: [draws, D]."""
    blocks = jnp.pad(mass, (0, -mass.shape[0] % BLOCK)).reshape(-1, BLOCK)
    sums = jnp.cumsum(jnp.sum(blocks, axis=1))
    totals, device = over_devices(sums[-1])
    ends = jnp.cumsum(totals)
    u = jax.random.uniform(key, (draws,), x.dtype) * ends[-1]
    chosen_device = _first_above(ends[None], u)
    u = jnp.maximum(u - (ends - totals)[device], 0.0)  # within this device
    block = _first_above(sums[None], u)
    u = jnp.maximum(u - jnp.where(block > 0, sums[block - 1], 0.0), 0.0)  # within the block
    row = block * BLOCK + _first_above(jnp.cumsum(blocks[block], axis=1), u)
    return data_sum(jnp.where((chosen_device == device)[:, None], x[row], 0.0))


def over_devices(value: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The value of each of the P devices that share the rows, [P, ...], and which of them this one is, []."""
    if not data_axis_is_mapped():
        return value[None], jnp.int32(0)
    return lax.all_gather(value, DATA_AXIS), lax.axis_index(DATA_AXIS)


def _first_above(cumulative: jax.Array, u: jax.Array) -> jax.Array:
    """Index of the first entry of cumulative [T or 1, M] above u [T]; rounding up to the end names the last mass."""
    end = cumulative[:, -1] * (1.0 - jnp.finfo(u.dtype).eps)
    above = cumulative > jnp.minimum(u, end)[:, None]
    return jnp.argmax(above, axis=1)
