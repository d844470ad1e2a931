"""Image classification sets as folders of image files, each file opened once."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from mlr_jax.data.arrays import Dataset

SUFFIXES = (".png", ".jpg", ".jpeg")
GRAY_MODES = ("1", "L", "LA")
COLOR_MODES = ("RGB", "RGBA", "P", "CMYK", "YCbCr")

_FILES_PER_TASK = 64
_SMALL_BYTES = 2**14
"""Up to this size of a file, threads wait for the interpreter more than they decode: 60,000 files of 32x32 pixels take
6 s in one and 13 s in two. Decoding itself lets go of the interpreter."""


def read_folder(path: str | Path, *, size: tuple[int, int] | None = None) -> Dataset:
    """Images in `path/SPLIT/CLASS/*.png`, .jpg or .jpeg; splits `train` and `test` (or `val`), classes sorted by name.

    If every image is grayscale there is one channel, otherwise all are read as RGB; transparency is dropped.

    Args:
        path: the folder.
        size: (height, width) to which every image is resized (bilinear); without it, all must have one size.

    Raises:
        FileNotFoundError: the folder or a split is missing.
        ValueError: a class is empty or in one split only, a file is no readable image, or images differ in size.
    """
    splits, class_names = image_files(path)
    files = [file for split in splits for class_files in split for file in class_files]
    images = read_images(files, size)
    counts = [[len(class_files) for class_files in split] for split in splits]
    border = sum(counts[0])
    train, test = (
        {"x": pixels, "y": np.repeat(np.arange(len(class_names), dtype=np.int32), of_class)}
        for pixels, of_class in zip((images[:border], images[border:]), counts, strict=True)
    )
    return Dataset(train, test, class_names)


def image_files(path: str | Path) -> tuple[tuple[list[list[Path]], list[list[Path]]], tuple[str, ...]]:
    """The files of each class in `path/SPLIT/CLASS`, of train and of test (or val), and the names of the classes.

    Raises FileNotFoundError for a missing folder or split, ValueError for a class that is empty or in one split only.
    """
    path = Path(path)
    train_folder = _split_folder(path, ("train",))
    test_folder = _split_folder(path, ("test", "val"))
    class_names = _class_names(train_folder)
    if (test_names := _class_names(test_folder)) != class_names:
        different = sorted(set(class_names) ^ set(test_names))
        raise ValueError(
            f"{path}: {train_folder.name} and {test_folder.name} must have the same classes, differ in {different}"
        )
    train, test = ([_files_of(folder / name) for name in class_names] for folder in (train_folder, test_folder))
    return (train, test), class_names


def read_images(files: Sequence[Path], size: tuple[int, int] | None = None) -> np.ndarray:
    """float32 [N, H, W, C] in [0, 1], C = 1 where all are gray, else 3. Raises ValueError as `read_folder`."""

    def pixels(file: Path) -> np.ndarray:
        return open_image(file, lambda image: np.asarray(_resized(image.convert(_mode(file, image)), size)))

    def read(start: int) -> list[np.ndarray]:
        return [pixels(file) for file in files[start : start + _FILES_PER_TASK]]

    threads = os.cpu_count() if files[0].stat().st_size > _SMALL_BYTES else 1
    with ThreadPoolExecutor(threads) as pool:  # its results, and so its first error, come in the order of the files
        images = [image for part in pool.map(read, range(0, len(files), _FILES_PER_TASK)) for image in part]
    for file, image in zip(files, images, strict=True):
        if image.shape[:2] != images[0].shape[:2]:
            raise ValueError(
                f"images must have one size (or pass size): {files[0]} is {list(images[0].shape[:2])}, {file} is "
                f"{list(image.shape[:2])}"
            )
    channels = 3 if any(image.ndim == 3 for image in images) else 1
    stacked = np.empty((len(images), *images[0].shape[:2], channels), np.float32)
    for row, image in zip(stacked, images, strict=True):
        np.divide(image if image.ndim == 3 else image[..., None], np.float32(255), out=row)
    return stacked


def open_image(file: Path, read: Callable[[Any], Any]) -> Any:
    """`read` of the opened image. Raises ValueError, in one line that names the file, for one that is not readable."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            return read(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, _WrongMode):
            raise
        raise ValueError(f"{file} is not a readable image: {' '.join(str(error).split())}") from error


class _WrongMode(ValueError):
    """A readable image of a kind that is not for eyes."""


def _mode(file: Path, image: Any) -> str:
    """What the image is converted to. A gray one becomes three equal channels later, if another one has colours."""
    if image.mode not in GRAY_MODES + COLOR_MODES:
        raise _WrongMode(f"{file}: image mode must be one of {', '.join(GRAY_MODES + COLOR_MODES)}, got {image.mode}")
    return "L" if image.mode in GRAY_MODES else "RGB"


def _resized(image: Any, size: tuple[int, int] | None) -> Any:
    from PIL import Image

    return image if size is None else image.resize(size[::-1], Image.Resampling.BILINEAR)


def _split_folder(path: Path, names: Sequence[str]) -> Path:
    for name in names:
        if (path / name).is_dir():
            return path / name
    there = sorted(child.name for child in path.iterdir()) if path.is_dir() else "no such folder"
    raise FileNotFoundError(f"{path} must hold a folder {' or '.join(names)}, found: {there}")


def _class_names(split_folder: Path) -> tuple[str, ...]:
    names = sorted(child.name for child in split_folder.iterdir() if child.is_dir() and not child.name.startswith("."))
    if not names:
        raise ValueError(f"{split_folder} must hold one folder for each class, found none")
    return tuple(names)


def _files_of(class_folder: Path) -> list[Path]:
    files = sorted(file for file in class_folder.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise ValueError(f"{class_folder} must hold at least one image ({', '.join(SUFFIXES)}), found none")
    return files
