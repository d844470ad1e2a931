"""Lloyd's iteration (1957, published 1982): each row to its nearest centre, each centre to the mean of its rows."""

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical.kmeans_init import over_devices
from mlr_jax.classical.rows import at_least_tiny
from mlr_jax.core.collectives import data_sum


def assign(x: jax.Array, centers: jax.Array) -> jax.Array:
    """argmin_k |x_n - c_k|², found as argmax_k x_n·c_k - |c_k|² / 2: x [N, D], centers [K, D] -> [N], int32.

    With |x| and |c| much greater than their distance this loses digits: centre both first.
    """
    return lax.argmax(x @ centers.T - 0.5 * jnp.sum(centers**2, axis=1)[None], 1, jnp.int32)


def move_centers(x: jax.Array, weight: jax.Array, centers: jax.Array) -> jax.Array:
    """One of Lloyd's iterations, over all devices that share the rows: centers [K, D] -> [K, D].

    A centre without rows moves to the row that is farthest from its own centre. Where no row is off its centre, as
    with fewer distinct rows than clusters, it joins the centre of the heaviest cluster.
    """
    labels = assign(x, centers)
    sums, totals = _fill_empty(x, weight, centers, labels, _sums(x, weight, labels, centers.shape[0]))
    means = sums / jnp.where(totals > 0, totals, 1.0)[:, None]
    return jnp.where(totals[:, None] > 0, means, means[jnp.argmax(totals)][None])


def _fill_empty(
    x: jax.Array, weight: jax.Array, centers: jax.Array, labels: jax.Array, clusters: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """Sums [K, D] and totals [K] after each empty cluster took the row that was then farthest from its centre."""

    def move_farthest(carry: tuple) -> tuple:
        left, centers, labels, (_, totals) = carry
        errors = jnp.where(weight > 0, squared_errors(x, centers, labels), 0.0)
        row, empty = jnp.argmax(errors), jnp.argmax(totals <= 0)
        farthest, device = over_devices(errors[row])
        is_here, is_off = jnp.argmax(farthest) == device, jnp.max(farthest) > 0
        point = data_sum(jnp.where(is_here, x[row], 0.0))
        centers = jnp.where(is_off, centers.at[empty].set(point), centers)
        labels = jnp.where(is_off & is_here, labels.at[row].set(empty.astype(labels.dtype)), labels)
        return jnp.where(is_off, left - 1, 0), centers, labels, _sums(x, weight, labels, centers.shape[0])

    # A loop and not a `cond`: with no empty cluster it costs nothing, under vmap too.
    start = jnp.sum(clusters[1] <= 0), centers, labels, clusters
    return lax.while_loop(lambda carry: carry[0] > 0, move_farthest, start)[-1]


def _sums(x: jax.Array, weight: jax.Array, labels: jax.Array, num_clusters: int) -> tuple[jax.Array, jax.Array]:
    """Weighted sum of the rows [K, D] and total weight [K] of each cluster, over all devices."""
    # Not a product with one-hot labels: three times slower on a CPU.
    sums = jax.ops.segment_sum(weight[:, None] * x, labels, num_clusters)
    return data_sum((sums, jax.ops.segment_sum(weight, labels, num_clusters)))


def squared_errors(x: jax.Array, centers: jax.Array, labels: jax.Array) -> jax.Array:
    """|x_n - c_label|²: [N]."""
    return jnp.sum((x - centers[labels]) ** 2, axis=1)


def centred(x: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The weighted mean [D] and the rows less it."""
    total, sums = data_sum((jnp.sum(weight), weight @ x))
    mean = sums / at_least_tiny(total)
    return mean, x - mean[None]
