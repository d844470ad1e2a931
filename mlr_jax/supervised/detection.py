"""Detection: boxes around objects and their classes, by a one-stage detector without anchors."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.collectives import data_sum
from mlr_jax.core.types import Batch, Key, Metrics, Task, Variables
from mlr_jax.nn.detector import STRIDES, Detector, Predictions
from mlr_jax.ops.boxes import Detections, clip, generalized_iou, non_maximum_suppression
from mlr_jax.ops.losses import binary_cross_entropy, focal_loss
from mlr_jax.ops.masked import blank_padding, masked_mean
from mlr_jax.ops.pixels import as_floats
from mlr_jax.supervised.detection_targets import Targets, assign, boxes_at, locations


class Hypers(NamedTuple):
    """What a sweep can vary: the first three are read by the optimizer (`core/optimizers.py: adamw`)."""

    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    clip_norm: float = math.inf
    focal_alpha: float = 0.25
    focal_gamma: float = 2.0
    box_weight: float = 1.0


class Parts(NamedTuple):
    """The three sums of a loss over the locations of each image, and what they are divided by: [B] each."""

    class_loss: jax.Array
    box_loss: jax.Array
    centre_loss: jax.Array
    objects: jax.Array
    centreness: jax.Array


def detection(model: Detector, input_shape: Sequence[int]) -> Task:
    """The task of finding boxes and naming what is in them (FCOS: Tian et al., 2019).

        L = 1/N sum_locations focal(class) + w 1/C sum_objects c (1 - GIoU) + 1/N sum_objects BCE(centreness, c)

    where N locations of the batch are given a box (see `detection_targets.py: assign`), c is their centreness and C its
    sum. Batches hold x [B, H, W, C], uint8 or in [0, 1], boxes [B, M, 4] in pixels, y [B, M] int, is_box [B, M] (0 for
    padding), and may hold mask [B]. Training metrics: the three terms. Evaluation: the same of each row, [B], divided
    by the numbers of that row; average precision is a matter of the whole set (`ops/metrics/detection.py`).
    """
    grid = locations(input_shape[0], input_shape[1], STRIDES)

    def init(key: Key) -> Variables:
        return model.init({"params": key}, jnp.zeros((1, *input_shape)))

    def parts_of(predictions: Predictions, batch: Batch, alpha: Any, gamma: Any) -> Parts:
        targets = jax.vmap(assign, in_axes=(None, 0, 0, 0))(grid, batch["boxes"], batch["y"], batch["is_box"])
        compare = jax.vmap(lambda p, t: _parts_of_image(grid.points, p, t, alpha, gamma))
        return compare(predictions, targets)

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        batch, mask = _unpack(batch)
        mutable = [name for name in variables if name != "params"]
        result: Any = model.apply(variables, batch["x"], train=True, mask=mask, rngs={"dropout": key}, mutable=mutable)
        predictions, updated = result
        parts = parts_of(predictions, batch, hypers.focal_alpha, hypers.focal_gamma)
        # Per image of the whole batch, wherever its rows are, so that the mean over rows is the sum over N.
        rows = jnp.maximum(data_sum(jnp.sum(mask)), 1.0)
        objects = jnp.maximum(data_sum(jnp.sum(parts.objects * mask)), 1.0) / rows
        centreness = jnp.maximum(data_sum(jnp.sum(parts.centreness * mask)), 1e-3) / rows
        terms = _terms(parts, objects, centreness)
        metrics = {name: masked_mean(value, mask) for name, value in terms.items()}
        total = metrics["class_loss"] + hypers.box_weight * metrics["box_loss"] + metrics["centre_loss"]
        return total, ({**variables, **updated}, metrics)

    def evaluate(variables: Variables, batch: Batch) -> Metrics:
        batch, _ = _unpack(batch)
        predictions: Any = model.apply(variables, batch["x"])
        defaults = Hypers()
        parts = parts_of(predictions, batch, defaults.focal_alpha, defaults.focal_gamma)
        terms = _terms(parts, jnp.maximum(parts.objects, 1.0), jnp.maximum(parts.centreness, 1e-3))
        return {"loss": terms["class_loss"] + terms["box_loss"] + terms["centre_loss"], **terms}

    return Task(init, loss, evaluate)


def detect(
    model: Detector,
    variables: Variables,
    x: jax.Array,
    *,
    threshold: float = 0.6,
    candidates: int = 300,
    most: int = 100,
) -> Detections:
    """The objects in images x [B, H, W, C]: boxes [B, D, 4] in pixels, scores [B, D], labels [B, D], D = `most`.

    score = sqrt(p(class) centreness); boxes of one class that overlap by more than `threshold` repeat each other.
    """
    height, width = x.shape[1:3]
    points = locations(height, width, STRIDES).points
    predictions: Any = model.apply(variables, as_floats(x))

    def of_image(logits: jax.Array, distances: jax.Array, centreness: jax.Array) -> Detections:
        scores = jnp.sqrt(jax.nn.sigmoid(logits) * jax.nn.sigmoid(centreness)[:, None])
        boxes = jax.vmap(lambda box: clip(box, height, width))(boxes_at(points, distances))
        return non_maximum_suppression(boxes, scores, threshold=threshold, candidates=candidates, most=most)

    return jax.vmap(of_image)(*(part.astype(jnp.float32) for part in predictions))


def _parts_of_image(points: Any, predictions: Predictions, targets: Targets, alpha: Any, gamma: Any) -> Parts:
    logits, distances, centreness = (part.astype(jnp.float32) for part in predictions)
    is_object = targets.is_object.astype(jnp.float32)
    wanted = jax.nn.one_hot(targets.label, logits.shape[-1]) * is_object[:, None]
    class_losses = focal_loss(logits, wanted, alpha, gamma)
    found, true = boxes_at(points, distances), boxes_at(points, targets.distances)
    weight = targets.centreness * is_object
    box_losses = weight * (1.0 - jax.vmap(generalized_iou)(found, true))
    centre_losses = is_object * binary_cross_entropy(centreness, targets.centreness)
    sums = (jnp.sum(values) for values in (class_losses, box_losses, centre_losses, is_object, weight))
    return Parts(*sums)


def _terms(parts: Parts, objects: jax.Array, centreness: jax.Array) -> dict[str, jax.Array]:
    return {
        "class_loss": parts.class_loss / objects,
        "box_loss": parts.box_loss / centreness,
        "centre_loss": parts.centre_loss / objects,
    }


def _unpack(batch: Batch) -> tuple[dict[str, jax.Array], jax.Array]:
    mask = batch.get("mask")
    if mask is None:
        mask = jnp.ones(batch["y"].shape[0])
    rows = {name: batch[name] for name in ("x", "boxes", "y", "is_box")}
    rows["x"] = as_floats(rows["x"])
    return blank_padding(rows, mask), mask
