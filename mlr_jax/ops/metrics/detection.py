"""Average precision of detections, as COCO measures it. On the host: it is a matter of a whole set, not of rows."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

IOU_THRESHOLDS = tuple(np.arange(50, 100, 5) / 100)


class Scores(NamedTuple):
    """How good the detections of a set are; numbers in [0, 1], NaN for a class without a box.

    map:       mean over classes and over the `IOU_THRESHOLDS` 0.5, 0.55 .. 0.95 of the average precision: COCO's "AP"
    map_50:    mean over classes at IoU 0.5: Pascal VOC's, with COCO's interpolation
    map_75:    the same at 0.75
    ap, ap_50: of each class [K]
    precision: [K, 101] at IoU 0.5, the greatest at a recall of at least 0, 0.01 .. 1, which the average is taken of
    """

    map: float
    map_50: float
    map_75: float
    ap: np.ndarray
    ap_50: np.ndarray
    precision: np.ndarray


def average_precision(truth: Mapping[str, np.ndarray], found: Any, num_classes: int, most: int = 100) -> Scores:
    """COCO's average precision (Lin et al., 2014), by pycocotools.

    truth: boxes [N, M, 4], y [N, M], is_box [N, M]; found: boxes [N, D, 4], scores [N, D], labels [N, D], where a
    score of 0 is no detection. Of one image the `most` best of each class count. At each IoU threshold detections
    are matched with boxes of their class, best first, each box once; precision = right / made, recall = right / boxes,
    and AP is the mean over 101 recalls r of the greatest precision at a recall of at least r.

    Raises ValueError where the numbers of images differ or no box is there.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    if len(truth["boxes"]) != len(found.boxes):
        raise ValueError(f"found: got {len(found.boxes)} images, truth has {len(truth['boxes'])}")
    if not np.any(truth["is_box"]):
        raise ValueError("truth: no image has a box")
    images = range(len(found.boxes))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": image} for image in images],
            "categories": [{"id": label} for label in range(num_classes)],
            "annotations": _annotations(truth),
        }
        coco.createIndex()
        evaluation = COCOeval(coco, _found(coco, found), "bbox")
        evaluation.params.maxDets = [most]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e12]], ["all"]
        evaluation.params.iouThrs = np.array(IOU_THRESHOLDS)
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, 0]  # thresholds, recalls, classes; -1 where a class has no box
    precision = np.where(precision < 0, np.nan, precision).transpose(0, 2, 1)
    ap = precision.mean(axis=2)
    there = np.isfinite(ap[0])
    at_75 = IOU_THRESHOLDS.index(0.75)
    return Scores(
        map=float(ap[:, there].mean()),
        map_50=float(ap[0, there].mean()),
        map_75=float(ap[at_75, there].mean()),
        ap=ap.mean(axis=0),
        ap_50=ap[0],
        precision=precision[0],
    )


def _annotations(truth: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    rows = np.argwhere(np.asarray(truth["is_box"]) > 0)
    return [
        {
            "id": index,
            "image_id": int(image),
            "category_id": int(truth["y"][image, place]),
            "bbox": (box := _as_coco(truth["boxes"][image, place])),
            "area": box[2] * box[3],
            "iscrowd": 0,
        }
        for index, (image, place) in enumerate(rows, start=1)  # pycocotools takes a match with box 0 for none
    ]


def _found(coco: Any, found: Any) -> Any:
    from pycocotools.coco import COCO

    boxes, scores, labels = (np.asarray(part) for part in (found.boxes, found.scores, found.labels))
    results = [
        {
            "image_id": int(image),
            "category_id": int(labels[image, place]),
            "bbox": _as_coco(boxes[image, place]),
            "score": float(scores[image, place]),
        }
        for image, place in np.argwhere(scores > 0)
    ]
    if results:
        return coco.loadRes(results)
    nothing = COCO()
    nothing.dataset = {**coco.dataset, "annotations": []}
    nothing.createIndex()
    return nothing


def _as_coco(box: np.ndarray) -> list[float]:
    x0, y0, x1, y1 = map(float, box)
    return [x0, y0, max(x1 - x0, 0.0), max(y1 - y0, 0.0)]  # of a negative area, a false find would be forgiven


def by_name(scores: Scores, class_names: Sequence[str]) -> dict[str, float]:
    """The numbers of a report by name: map, map_50, map_75, and ap_50 of each class."""
    whole = {"map": scores.map, "map_50": scores.map_50, "map_75": scores.map_75}
    return {**whole, **{f"ap_50_{name}": float(value) for name, value in zip(class_names, scores.ap_50, strict=True)}}
