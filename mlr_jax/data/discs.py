"""Coloured discs on noise: a detection set that is drawn on the spot."""

import numpy as np

from mlr_jax.data.boxes import BoxSet, Image, pack

CLASS_NAMES = ("blue", "red", "green")
_COLOURS = np.array([[40, 70, 220], [220, 50, 40], [40, 190, 70]], np.float32)
MOST = 6
"""Discs in one image, at most; there may be none."""


def discs(*, size: tuple[int, int] = (96, 128), counts: tuple[int, int, int] = (48, 16, 16), seed: int = 0) -> BoxSet:
    """Images (height, width) with up to `MOST` discs in three colours, of a tenth to half the height across.

    counts: images of the training, validation and test split. Discs may cover each other and stand over the edge; a
    box is that of the part within the image, and discs of which less than half is in it are not drawn.
    """
    rng = np.random.default_rng(seed)
    train, validation, test = (pack([_image(rng, size) for _ in range(count)], MOST) for count in counts)
    return BoxSet(train, validation, test, CLASS_NAMES)


def _image(rng: np.random.Generator, size: tuple[int, int]) -> Image:
    height, width = size
    pixels = rng.normal(120, 25, (height, width, 3)).astype(np.float32)
    y, x = np.mgrid[:height, :width] + 0.5
    boxes, labels = [], []
    for _ in range(rng.integers(0, MOST + 1)):
        radius = rng.uniform(0.05, 0.25) * height
        centre = rng.uniform(0, 1, 2) * (width, height)
        box = np.concatenate([np.maximum(centre - radius, 0), np.minimum(centre + radius, (width, height))])
        if np.prod(box[2:] - box[:2]) < 0.5 * (2 * radius) ** 2:
            continue
        label = int(rng.integers(3))
        inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2
        pixels[inside] = _COLOURS[label] + rng.normal(0, 15, (int(inside.sum()), 3))
        boxes.append(box)
        labels.append(label)
    whole = np.clip(pixels, 0, 255).astype(np.uint8)
    return Image(whole, np.reshape(boxes, (-1, 4)).astype(np.float32), np.array(labels, np.int32))
