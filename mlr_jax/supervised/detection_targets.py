"""What each location of a detector's maps should say about one image, and what it says turned back into boxes."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

REACH = 8
"""A map takes the boxes whose farthest edge is at most so many of its strides away; the coarsest takes all larger."""

RADIUS = 1.5
"""Only locations within so many strides of a box's middle are asked for it (centre sampling)."""


class Locations(NamedTuple):
    """All locations of the maps of one image: points [L, 2] (x, y) in pixels, stride [L], least and most [L].

    A location is asked for boxes whose farthest edge lies more than `least` and at most `most` pixels away.
    """

    points: np.ndarray
    stride: np.ndarray
    least: np.ndarray
    most: np.ndarray


class Targets(NamedTuple):
    """label [L] int32, which means nothing where is_object [L] is False; distances [L, 4]; centreness [L]."""

    label: jax.Array
    is_object: jax.Array
    distances: jax.Array
    centreness: jax.Array


def locations(height: int, width: int, strides: Sequence[int]) -> Locations:
    """The middle of each pixel of each map, finest map first, row by row; a map has ceil(side / stride) pixels."""
    levels = []
    for level, stride in enumerate(strides):
        rows, columns = -(-height // stride), -(-width // stride)
        y, x = np.mgrid[:rows, :columns] * float(stride) + stride / 2
        points = np.stack([x.ravel(), y.ravel()], axis=1)
        least = 0.0 if level == 0 else REACH * strides[level - 1]
        most = np.inf if level == len(strides) - 1 else REACH * stride
        levels.append((points, *(np.full(len(points), value) for value in (stride, least, most))))
    return Locations(*(np.concatenate(parts).astype(np.float32) for parts in zip(*levels, strict=True)))


def assign(grid: Locations, boxes: jax.Array, labels: jax.Array, is_box: jax.Array) -> Targets:
    """Each location is given the smallest of the boxes that it may be asked for (FCOS: Tian et al., 2019).

    boxes [M, 4], labels [M], is_box [M], 0 for padding. A location may be asked for a box that it lies in, whose
    middle is at most `RADIUS` strides away (in both directions), and whose farthest edge suits its map.
    centreness = sqrt(min(l, r) / max(l, r) min(t, b) / max(t, b)) of the distances to the four edges.
    """
    distances = distances_to(grid.points, boxes)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    off = jnp.max(jnp.abs(grid.points[:, None] - middles[None]), axis=-1)
    farthest = jnp.max(distances, axis=-1)
    may_be = (is_box[None] > 0) & (jnp.min(distances, axis=-1) > 0) & (off < RADIUS * grid.stride[:, None])
    may_be &= (farthest > grid.least[:, None]) & (farthest <= grid.most[:, None])
    sizes = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    chosen = jnp.argmin(jnp.where(may_be, sizes[None], jnp.inf), axis=1)
    is_object = jnp.any(may_be, axis=1)
    own = jnp.where(is_object[:, None], distances[jnp.arange(len(chosen)), chosen], 1.0)
    return Targets(labels[chosen], is_object, own, centreness_of(own))


def distances_to(points: jax.typing.ArrayLike, boxes: jax.Array) -> jax.Array:
    """From each point [L, 2] to the left, upper, right and lower edge of each box [M, 4], > 0 inside: [L, M, 4]."""
    points = jnp.asarray(points)
    return jnp.concatenate([points[:, None] - boxes[None, :, :2], boxes[None, :, 2:] - points[:, None]], axis=-1)


def boxes_at(points: jax.typing.ArrayLike, distances: jax.Array) -> jax.Array:
    """The inverse: the box of each point [L, 2] by its four distances [L, 4]; [L, 4]."""
    points = jnp.asarray(points)
    return jnp.concatenate([points - distances[:, :2], points + distances[:, 2:]], axis=-1)


def centreness_of(distances: jax.Array) -> jax.Array:
    """sqrt(min(l, r) / max(l, r) min(t, b) / max(t, b)): 1 in the middle, 0 at an edge; [L, 4] -> [L]."""
    near = jnp.minimum(distances[:, :2], distances[:, 2:])
    far = jnp.maximum(distances[:, :2], distances[:, 2:])
    return jnp.sqrt(jnp.prod(near / far, axis=-1))
