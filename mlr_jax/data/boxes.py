"""Detection sets in memory: images of one size, and as many boxes for each as the fullest of them has."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlr_jax.data.arrays import Arrays


class BoxSet(NamedTuple):
    """Splits, each with `x` uint8 [N, H, W, 3], `boxes` float32 [N, M, 4], `y` int32 [N, M], `is_box` float32 [N, M].

    Boxes are (left, upper, right, lower edge) in pixels of x, `y` indexes `class_names`; where `is_box` is 0 there is
    no box, but zeros. M is that of the image with the most boxes of all splits.
    """

    train: Arrays
    validation: Arrays
    test: Arrays
    class_names: tuple[str, ...]


class Image(NamedTuple):
    """One image: pixels uint8 [H, W, 3], boxes [n, 4] in its pixels, labels [n]."""

    pixels: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray


def pack(images: Sequence[Image], most: int) -> Arrays:
    """Images of one size as arrays, with room for `most` boxes each."""
    count = len(images)
    arrays = {
        "x": np.stack([image.pixels for image in images]),
        "boxes": np.zeros((count, most, 4), np.float32),
        "y": np.zeros((count, most), np.int32),
        "is_box": np.zeros((count, most), np.float32),
    }
    for row, image in enumerate(images):
        present = len(image.labels)
        arrays["boxes"][row, :present] = image.boxes
        arrays["y"][row, :present] = image.labels
        arrays["is_box"][row, :present] = 1.0
    return arrays


def load_boxes(spec: str, *, size: tuple[int, int], bad_boxes: str = "error") -> BoxSet:
    """The set that `spec` names: "discs" (drawn on the spot, see `discs.py`), or the path of a Pascal VOC folder.

    Raises FileNotFoundError where no such folder is there, and what `voc.read_voc` raises.
    """
    from mlr_jax.data import discs, voc

    if spec == "discs":
        return discs.discs(size=size)
    if not spec or not Path(spec).expanduser().is_dir():
        raise FileNotFoundError(f"got {spec!r}, wanted discs or the path of a Pascal VOC folder, which is not there")
    return voc.read_voc(Path(spec).expanduser(), size=size, bad_boxes=bad_boxes)
