"""Histograms: the statistics of the rows of every node, feature by feature and bin by bin.

A histogram is a scatter, a few operations for each value of each row, and nearly all the time of growing a tree. It
is made for one feature after another, because the table of one feature stays in the cache.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

Sums = Callable[[jax.Array, int], jax.Array]
"""index [N], size -> [size, C], the statistics of rows with the same index; rows of index `size` are left out."""


def class_sums(y: jax.Array, weight: jax.Array, num_classes: int) -> Sums:
    """The weight of each class: y [N] int, weight [N] -> sums with C = num_classes."""

    def sums(index: jax.Array, size: int) -> jax.Array:
        # One number a row goes to the place of its class: K times less work than adding one-hot rows.
        flat = jnp.zeros(size * num_classes, weight.dtype)
        return flat.at[index * num_classes + y].add(weight, mode="drop").reshape(size, num_classes)

    return sums


def column_sums(columns: jax.Array) -> Sums:
    """The sum of each column: [N, C] -> sums."""

    def sums(index: jax.Array, size: int) -> jax.Array:
        return jnp.zeros((size, columns.shape[1]), columns.dtype).at[index].add(columns, mode="drop")

    return sums


def histograms(sums: Sums, codes: jax.Array, node: jax.Array, *, num_nodes: int, num_codes: int) -> jax.Array:
    """codes [J, N] of J features, node [N] (num_nodes for rows of no node) -> [num_codes, C, J, num_nodes]."""
    size = num_codes * num_nodes
    node = jnp.where(node < num_nodes, node, size)

    def histogram(_: None, code: jax.Array) -> tuple[None, jax.Array]:
        return None, sums(code.astype(jnp.int32) * num_nodes + node, size)

    tables = lax.scan(histogram, None, codes)[1].reshape(codes.shape[0], num_codes, num_nodes, -1)
    return tables.transpose(1, 3, 0, 2)
