"""Detection sets in Pascal VOC's layout: `ImageSets/Main/SPLIT.txt`, `Annotations/NAME.xml`, `JPEGImages/NAME.*`."""

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from mlr_jax.data.arrays import Arrays
from mlr_jax.data.boxes import BoxSet, Image, pack

BAD_BOXES = ("error", "clip", "drop")
_SUFFIXES = (".jpg", ".jpeg", ".png")
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_THREADS = 8
_SHOWN = 5


class Annotation(NamedTuple):
    """What one XML file says: where it is, the size (width, height) of the image, its boxes and their class names."""

    path: Path
    size: tuple[int, int]
    boxes: np.ndarray
    names: tuple[str, ...]


def read_voc(
    folder: str | Path,
    *,
    size: tuple[int, int],
    bad_boxes: str = "error",
    splits: tuple[str, str, str] = ("train", "val", "test"),
) -> BoxSet:
    """Images resized to `size` (height, width), their boxes likewise; the classes are those of the training split.

    Coordinates are taken as edges in pixels. A box is bad where it reaches out of the image or has no area. `bad_boxes`
    says what becomes of it: "error", "clip" (cut to the image, and left out where nothing is left of it), or "drop".

    Raises FileNotFoundError for a folder, a list of a split, an annotation or an image that is not there, and
    ValueError for an empty split, an annotation that cannot be read, a class that the training split lacks, a bad box
    (where they are errors), and an image that cannot be read or has not the size that its annotation says.
    """
    folder = Path(folder)
    if bad_boxes not in BAD_BOXES:
        raise ValueError(f"bad_boxes: got {bad_boxes!r}, allowed are {', '.join(BAD_BOXES)}")
    names = {split: _names(folder, split) for split in splits}
    annotations = {
        split: [read_annotation(folder / "Annotations" / f"{name}.xml") for name in names[split]] for split in splits
    }
    annotations = _mend(annotations, bad_boxes)
    class_names = tuple(sorted({name for annotation in annotations[splits[0]] for name in annotation.names}))
    for annotation in itertools.chain(*annotations.values()):
        if unknown := sorted(set(annotation.names) - set(class_names)):
            raise ValueError(f"{annotation.path}: class {unknown[0]!r} is not in {splits[0]}, which has {class_names}")
    most = max(len(annotation.names) for annotation in itertools.chain(*annotations.values()))
    if not most:
        raise ValueError(f"{folder}: no image has a box")
    files = {split: [_image_file(folder, name) for name in names[split]] for split in splits}

    def packed(split: str) -> Arrays:
        with ThreadPoolExecutor(_THREADS) as pool:
            read = partial(_read, size=size, class_names=class_names)
            return pack(list(pool.map(read, files[split], annotations[split])), most)

    train, validation, test = map(packed, splits)
    return BoxSet(train, validation, test, class_names)


def read_annotation(path: Path) -> Annotation:
    """One XML file. Raises FileNotFoundError where there is none, ValueError where it is damaged or lacks something."""
    if not path.is_file():
        raise FileNotFoundError(f"no annotation at {path}")
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"{path}: damaged XML ({error})") from None
    width, height = (int(_number(root, f"size/{side}", path, "the image")) for side in ("width", "height"))
    if min(width, height) < 1:
        raise ValueError(f"{path}: the size of the image is {width} x {height}")
    boxes, names = [], []
    for index, item in enumerate(root.iter("object"), start=1):
        name = (item.findtext("name") or "").strip()
        if not name:
            raise ValueError(f"{path}: object {index} has no name")
        names.append(name)
        boxes.append([_number(item, f"bndbox/{corner}", path, f"object {index}") for corner in _CORNERS])
    return Annotation(path, (width, height), np.reshape(boxes, (-1, 4)).astype(np.float32), tuple(names))


def _number(item: ElementTree.Element, tag: str, path: Path, what: str) -> float:
    text = item.findtext(tag)
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise ValueError(f"{path}: {tag} of {what} must be a number, got {text!r}")
    return value


def _names(folder: Path, split: str) -> list[str]:
    """The names of a split; of the lists of one class, which have a second column, those that are not -1."""
    path = folder / "ImageSets" / "Main" / f"{split}.txt"
    if not path.is_file():
        raise FileNotFoundError(f"no list of the split {split} at {path}")
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    names = [row[0] for row in rows if row[1:] != ["-1"]]
    if not names:
        raise ValueError(f"{path} names no image")
    return names


def _mend(annotations: dict[str, list[Annotation]], bad_boxes: str) -> dict[str, list[Annotation]]:
    """The annotations without bad boxes. Raises ValueError, naming the first of them, where they are errors."""
    if bad_boxes == "error":
        found = [line for annotation in itertools.chain(*annotations.values()) for line in _complaints(annotation)]
        if found:
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            raise ValueError(
                f"{len(found)} bad boxes: {'; '.join(found[:_SHOWN])}{more}; mend the files, or let bad boxes be "
                f"'clip', cut to the image, or 'drop', left out"
            )
    return {split: [_mended(item, bad_boxes == "clip") for item in items] for split, items in annotations.items()}


def _complaints(annotation: Annotation) -> list[str]:
    outside, empty = _faults(annotation)
    width, height = annotation.size
    return [
        f"{annotation.path} object {index + 1} ({annotation.names[index]}) {box.tolist()} "
        + ("has no area" if empty[index] else f"reaches out of {width} x {height}")
        for index, box in enumerate(annotation.boxes)
        if outside[index] or empty[index]
    ]


def _faults(annotation: Annotation) -> tuple[np.ndarray, np.ndarray]:
    """Which boxes reach out of the image, and which have no area: bool [n] each."""
    boxes, size = annotation.boxes, np.array(annotation.size, np.float32)
    outside = (boxes < 0) | (boxes > np.tile(size, 2)[None])
    return np.any(outside, axis=1), np.any(boxes[:, 2:] <= boxes[:, :2], axis=1)


def _mended(annotation: Annotation, is_clipped: bool) -> Annotation:
    if is_clipped:
        boxes = np.clip(annotation.boxes, 0, np.tile(np.array(annotation.size, np.float32), 2))
        annotation = annotation._replace(boxes=boxes)
    outside, empty = _faults(annotation)
    kept = np.flatnonzero(~(outside | empty))
    return annotation._replace(boxes=annotation.boxes[kept], names=tuple(annotation.names[index] for index in kept))


def _image_file(folder: Path, name: str) -> Path:
    for suffix in _SUFFIXES:
        path = folder / "JPEGImages" / f"{name}{suffix}"
        if path.is_file():
            return path
    raise FileNotFoundError(f"no image {name} ({', '.join(_SUFFIXES)}) in {folder / 'JPEGImages'}")


def _read(path: Path, annotation: Annotation, size: tuple[int, int], class_names: Sequence[str]) -> Image:
    from PIL import Image as Pillow

    try:
        with Pillow.open(path) as image:
            found = image.size
            pixels = np.asarray(image.convert("RGB").resize(size[::-1], Pillow.Resampling.BILINEAR))
    except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
        raise ValueError(f"{path} is not a readable image: {' '.join(str(error).split())}") from error
    if found != annotation.size:
        raise ValueError(f"{path} is {found[0]} x {found[1]}, but {annotation.path} says {annotation.size}")
    scale = np.tile(np.array(size[::-1], np.float32) / np.array(found, np.float32), 2)
    return Image(pixels, annotation.boxes * scale, np.array([class_names.index(name) for name in annotation.names]))
