"""Images of many sizes, read as they are needed: ImageNet as TFDS keeps it, or a folder of files.

The standard pipeline: to train, a random part of the image resized to a square, mirrored half of the time; to evaluate,
the shorter side resized and the centre cut out.
"""

import math
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mlr_jax.core.types import Source
from mlr_jax.data import tfds
from mlr_jax.data.grain_stream import Example, stream_rows
from mlr_jax.data.image_folder import image_files, open_image

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
"""Of each channel over ImageNet's training images, in [0, 1]."""

_TRIES = 10


class ImageStream(NamedTuple):
    """Batches with `"x"` uint8 [B, size, size, 3] and `"y"` int32 [B]: to train on, and those of the test split."""

    train: Source
    test: Source
    class_names: tuple[str, ...]


def image_stream(
    spec: str, batch_size: int, size: int, *, seed: int, num_workers: int = 0, evaluation_rows: int = 256
) -> ImageStream:
    """The set that `spec` names: `"tfds:NAME"` with the splits train and validation, or a folder SPLIT/CLASS/*.jpg.

    Images are cropped as the module says. num_workers: processes that decode.

    Raises FileNotFoundError and ValueError for a set that is not there, as `tfds.stream` and `read_folder` do; of a
    folder every file's header is read first, so that one that is no image is found before training.
    """
    crops: dict[str, Any] = {"transform": partial(centre_crop, size=size), "num_workers": num_workers, "seed": seed}
    vary = partial(random_resized_crop, size=size)
    if spec.startswith("tfds:"):
        name = spec.removeprefix("tfds:")
        train = tfds.stream(name, "train", batch_size, vary=vary, **crops)
        test = tfds.stream(name, "validation", evaluation_rows, **crops)
        return ImageStream(train, test, tfds.class_names(name))
    splits, class_names = image_files(Path(spec).expanduser())
    rows = [[(file, label) for label, files in enumerate(split) for file in files] for split in splits]
    for file, _ in (*rows[0], *rows[1]):
        open_image(file, lambda image: image.size)
    return ImageStream(
        stream_rows(rows[0], batch_size, read=_read_file, vary=vary, **crops),
        stream_rows(rows[1], min(evaluation_rows, len(rows[1])), read=_read_file, **crops),
        class_names,
    )


def random_resized_crop(
    row: Example,
    rng: np.random.Generator,
    *,
    size: int,
    area: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Example:
    """A random part of `row["x"]` [H, W, C] resized to [size, size, 3] and mirrored half of the time.

    The part has a share of the image's area uniform in `area` and width / height log-uniform in `ratio`. Where ten
    draws do not fit into the image, it is the largest centred part of an allowed ratio (Szegedy et al., 2015).
    """
    image = row["x"]
    height, width = image.shape[:2]
    for _ in range(_TRIES):
        pixels = height * width * rng.uniform(*area)
        shape = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
        columns, rows = round(math.sqrt(pixels * shape)), round(math.sqrt(pixels / shape))
        if 0 < columns <= width and 0 < rows <= height:
            left, top = rng.integers(width - columns + 1), rng.integers(height - rows + 1)
            break
    else:
        columns = min(width, round(height * ratio[1]))
        rows = min(height, round(width / ratio[0]))
        left, top = (width - columns) // 2, (height - rows) // 2
    part = _resized(image, (size, size), (left, top, left + columns, top + rows))
    return {**row, "x": part[:, ::-1] if rng.random() < 0.5 else part}


def centre_crop(row: Example, *, size: int, part: float = 224 / 256) -> Example:
    """`row["x"]` [H, W, C] with its shorter side resized to size / part, of which the centre [size, size, C] is cut."""
    height, width = row["x"].shape[:2]
    scale = round(size / part) / min(height, width)
    rows, columns = max(size, round(height * scale)), max(size, round(width * scale))
    image = _resized(row["x"], (columns, rows), (0, 0, width, height))
    top, left = (rows - size) // 2, (columns - size) // 2
    return {**row, "x": image[top : top + size, left : left + size]}


def _resized(image: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float]) -> np.ndarray:
    """The box (left, upper, right, lower) of an image resized to (columns, rows), bilinear and without aliasing."""
    from PIL import Image

    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("RGB")
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR, box=box))


def _read_file(row: tuple[Path, int]) -> Example:
    file, label = row
    return {"x": open_image(file, lambda image: np.asarray(image.convert("RGB"))), "y": np.asarray(label, np.int32)}
