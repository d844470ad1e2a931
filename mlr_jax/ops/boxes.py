"""Boxes (x0, y0, x1, y1): left, upper, right and lower edge, in pixels from the upper left corner of the image.

The measures take ONE box or pair of boxes, [4]; callers vmap. What has no area gives 0, never NaN, also in gradients.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

_TINY = 1e-9


class Detections(NamedTuple):
    """The D objects found in one image, best first, filled up with rows of score 0.

    boxes [D, 4], scores [D] in [0, 1], labels [D] int32
    """

    boxes: jax.Array
    scores: jax.Array
    labels: jax.Array


def area(box: jax.Array) -> jax.Array:
    """Width times height of a box [4]; 0 where an edge has passed its opposite."""
    return jnp.maximum(box[2] - box[0], 0.0) * jnp.maximum(box[3] - box[1], 0.0)


def intersection(a: jax.Array, b: jax.Array) -> jax.Array:
    """The box [4] that two boxes [4] share; of no area where they share nothing."""
    return jnp.concatenate([jnp.maximum(a[:2], b[:2]), jnp.minimum(a[2:], b[2:])])


def iou(a: jax.Array, b: jax.Array) -> jax.Array:
    """|A and B| / |A or B| of two boxes [4]: 1 where they are one, 0 where they do not meet; []."""
    shared = area(intersection(a, b))
    return shared / jnp.maximum(area(a) + area(b) - shared, _TINY)


def generalized_iou(a: jax.Array, b: jax.Array) -> jax.Array:
    """IoU - |C without (A or B)| / |C|, C being the least box around both; [] in [-1, 1].

    Unlike IoU it tells boxes that do not meet how to get closer (Rezatofighi et al., 2019).
    """
    shared = area(intersection(a, b))
    union = area(a) + area(b) - shared
    around = area(jnp.concatenate([jnp.minimum(a[:2], b[:2]), jnp.maximum(a[2:], b[2:])]))
    return shared / jnp.maximum(union, _TINY) - (around - union) / jnp.maximum(around, _TINY)


def pairwise_iou(a: jax.Array, b: jax.Array) -> jax.Array:
    """IoU of every box of a [N, 4] with every box of b [M, 4]; [N, M]."""
    return jax.vmap(jax.vmap(iou, in_axes=(None, 0)), in_axes=(0, None))(a, b)


def to_centre_form(box: jax.Array) -> jax.Array:
    """(x0, y0, x1, y1) -> (centre x, centre y, width, height); [4]."""
    return jnp.concatenate([(box[:2] + box[2:]) / 2, box[2:] - box[:2]])


def from_centre_form(box: jax.Array) -> jax.Array:
    """(centre x, centre y, width, height) -> (x0, y0, x1, y1); [4]."""
    return jnp.concatenate([box[:2] - box[2:] / 2, box[:2] + box[2:] / 2])


def clip(box: jax.Array, height: jax.typing.ArrayLike, width: jax.typing.ArrayLike) -> jax.Array:
    """The part of a box [4] that lies in an image of that size."""
    most = jnp.stack([jnp.asarray(side, box.dtype) for side in (width, height, width, height)])
    return jnp.clip(box, jnp.zeros(4, box.dtype), most)


def suppressed(boxes: jax.Array, labels: jax.Array, threshold: jax.typing.ArrayLike) -> jax.Array:
    """Which of N boxes, ordered from best to worst, greedy non-maximum suppression drops: bool [N].

    A box is dropped where a better one of its label that is kept overlaps it by more than `threshold`:

        kept_i = not any_{j < i} (kept_j and label_j = label_i and IoU_ji > threshold)

    This has one solution, found by repeating it from "all are kept": after r rounds every box is settled that stands
    at most r deep in a chain of suppressions, so few rounds of a small matrix product take the place of N steps.
    """
    order = jnp.arange(len(boxes))
    rivals = (pairwise_iou(boxes, boxes) > threshold) & (labels[:, None] == labels[None])
    rivals = rivals & (order[:, None] < order[None])

    def again(kept: jax.Array) -> jax.Array:
        return ~jnp.any(rivals & kept[:, None], axis=0)

    def is_unsettled(pair: tuple[jax.Array, jax.Array]) -> jax.Array:
        return jnp.any(pair[0] != pair[1])

    start = jnp.ones(len(boxes), bool)
    kept, _ = lax.while_loop(is_unsettled, lambda pair: (again(pair[0]), pair[0]), (again(start), start))
    return ~kept


def non_maximum_suppression(
    boxes: jax.Array,
    scores: jax.Array,
    *,
    threshold: jax.typing.ArrayLike = 0.6,
    candidates: int = 300,
    most: int = 100,
) -> Detections:
    """The best boxes of each class that do not repeat a better one; shapes do not depend on what is found.

    boxes [L, 4], scores [L, K], of which the greatest `candidates` (box, class) pairs are looked at and at most `most`
    kept. Rows beyond what is kept have score 0. Raises ValueError for other shapes.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.ndim != 2 or len(scores) != len(boxes):
        raise ValueError(f"boxes and scores: got {boxes.shape} and {scores.shape}, wanted [L, 4] and [L, K]")
    num_classes = scores.shape[1]
    best, place = lax.top_k(scores.reshape(-1), min(candidates, scores.size))
    box, label = boxes[place // num_classes], (place % num_classes).astype(jnp.int32)
    is_dropped = suppressed(box, label, threshold)
    best, order = lax.top_k(jnp.where(is_dropped, 0.0, best), min(most, len(best)))
    return Detections(box[order], best, label[order])
