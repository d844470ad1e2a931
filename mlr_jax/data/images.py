"""Image classification sets by name or from the disk: an .npz file, a folder of IDX files, or a folder of images."""

import difflib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlr_jax.data import bundled, idx, tfds
from mlr_jax.data.arrays import Arrays, Dataset, check_arrays, count_classes, stratified_split

_NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
_GRAY_MODES = ("1", "L", "LA")
_COLOR_MODES = ("RGB", "RGBA", "P", "CMYK", "YCbCr")


def load_images(spec: str) -> Dataset:
    """The set that `spec` names: `"digits"`, `"mnist5k"`, `"fashion_mnist"`, `"tfds:NAME"`, or a path.

    The path is that of an .npz file, of a folder of IDX files (as MNIST comes), or of a folder of images.

    Raises FileNotFoundError if a path is not on disk, ValueError if `spec` is none of these, and as the readers.
    """
    if spec == "digits":
        return bundled.digits()
    if spec == "mnist5k":
        return bundled.mnist5k()
    if spec == "fashion_mnist":
        return idx.fashion_mnist()
    if spec.startswith("tfds:"):
        return tfds.load(spec.removeprefix("tfds:"))
    path = Path(spec).expanduser()
    if spec and path.is_dir():
        return idx.read_idx(path) if idx.holds_idx(path) else read_folder(path)
    if path.is_file() or path.suffix == ".npz":
        return read_npz(path)
    if len(path.parts) > 1:
        raise FileNotFoundError(f"spec names the path {spec!r}, but no file or folder is there")
    known = ["digits", "mnist5k", "fashion_mnist", "tfds:mnist", "tfds:fashion_mnist", "tfds:cifar10"]
    close = difflib.get_close_matches(spec, known)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    raise ValueError(
        "spec must be digits, mnist5k, fashion_mnist, tfds:NAME or the path of an .npz file or folder, "
        f"got {spec!r}{hint}"
    )


def hold_out(dataset: Dataset, fraction: float, seed: int) -> tuple[Arrays, Arrays]:
    """Split `dataset.train` into (train, validation), the second with `fraction` of the rows of each class.

    The test set stays out of it, for the one number at the end. Raises ValueError as `stratified_split`.
    """
    kept, held_out = stratified_split(dataset.train["y"], float(fraction), seed=seed)
    train, validation = ({name: array[rows] for name, array in dataset.train.items()} for rows in (kept, held_out))
    return train, validation


def read_npz(path: str | Path) -> Dataset:
    """The arrays `x_train`, `y_train`, `x_test`, `y_test` of an .npz file, as in the common `mnist.npz`.

    Images are uint8, or floating point in [0, 1], of shape [N, H, W] or [N, H, W, C]; labels are integers [N] or
    [N, 1]. The classes are 0 to the greatest training label, named by their number.

    Raises FileNotFoundError if there is no such file, ValueError if it is not an .npz, needs pickle, lacks a key,
    holds arrays of another kind, or a class has no training row.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no .npz file at {path}")
    x_train, y_train, x_test, y_test = _read_npz_arrays(path)
    train = {"x": _as_images(x_train, f"{path}: x_train"), "y": _as_labels(y_train, f"{path}: y_train")}
    test = {"x": _as_images(x_test, f"{path}: x_test"), "y": _as_labels(y_test, f"{path}: y_test")}
    num_classes = count_classes(train["y"], f"{path}: y_train")
    for split, part in (("train", train), ("test", test)):
        check_arrays(part, num_classes=num_classes, name=f"{path}: {split}")
        part["y"] = part["y"].astype(np.int32)  # only now: a label beyond 32 bits would wrap into another class
    return Dataset(train, test, tuple(map(str, range(num_classes))))


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
    path = Path(path)
    train_folder = _split_folder(path, ("train",))
    test_folder = _split_folder(path, ("test", "val"))
    class_names = _class_names(train_folder)
    if (test_names := _class_names(test_folder)) != class_names:
        different = sorted(set(class_names) ^ set(test_names))
        raise ValueError(
            f"{path}: {train_folder.name} and {test_folder.name} must have the same classes, differ in {different}"
        )
    files = [_image_files(folder / name) for folder in (train_folder, test_folder) for name in class_names]
    images = _read_images([file for class_files in files for file in class_files], size)
    labels = np.repeat(
        np.tile(np.arange(len(class_names), dtype=np.int32), 2), [len(class_files) for class_files in files]
    )
    num_train = sum(len(class_files) for class_files in files[: len(class_names)])
    train, test = ({"x": images[part], "y": labels[part]} for part in (slice(num_train), slice(num_train, None)))
    return Dataset(train, test, class_names)


def _read_npz_arrays(path: Path) -> list[np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = [key for key in _NPZ_KEYS if key not in archive]
            if missing:
                raise KeyError(f"lacks {', '.join(missing)}; it holds {', '.join(archive.files) or 'nothing'}")
            return [archive[key] for key in _NPZ_KEYS]
    except KeyError as error:
        raise ValueError(f"{path} {error.args[0]}") from error
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is not an .npz file of plain arrays (pickled objects are never read): {error}"
        ) from error


def _as_images(array: np.ndarray, name: str) -> np.ndarray:
    if array.ndim not in (3, 4) or not (array.dtype == np.uint8 or np.issubdtype(array.dtype, np.floating)):
        raise ValueError(
            f"{name} must be uint8 or floating point of shape [N, H, W] or [N, H, W, C], got {array.dtype} of shape "
            f"{list(array.shape)}"
        )
    images = array.astype(np.float32) / np.float32(255 if array.dtype == np.uint8 else 1)
    if images.size and (images.min() < 0 or images.max() > 1):
        raise ValueError(f"{name} must be in [0, 1] if not uint8, got values in [{images.min():g}, {images.max():g}]")
    return images[..., None] if images.ndim == 3 else images


def _as_labels(array: np.ndarray, name: str) -> np.ndarray:
    labels = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{name} must be integers of shape [N] or [N, 1], got {array.dtype} of shape {list(array.shape)}"
        )
    return labels


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


def _image_files(class_folder: Path) -> list[Path]:
    files = sorted(file for file in class_folder.iterdir() if file.suffix.lower() in _IMAGE_SUFFIXES)
    if not files:
        raise ValueError(f"{class_folder} must hold at least one image ({', '.join(_IMAGE_SUFFIXES)}), found none")
    return files


def _read_images(files: Sequence[Path], size: tuple[int, int] | None) -> np.ndarray:
    modes = [_mode(file) for file in files]
    mode = "L" if all(mode in _GRAY_MODES for mode in modes) else "RGB"
    images: list[np.ndarray] = []
    for file in files:
        image = _read_image(file, mode, size)
        if images and image.shape != images[0].shape:
            raise ValueError(
                f"images must have one size (or pass size): {files[0]} is {list(images[0].shape[:2])}, {file} is "
                f"{list(image.shape[:2])}"
            )
        images.append(image)
    pixels = np.stack(images).astype(np.float32) / np.float32(255)
    return pixels[..., None] if mode == "L" else pixels


def _mode(file: Path) -> str:
    mode = _open(file, lambda image: image.mode)
    if mode not in _GRAY_MODES + _COLOR_MODES:
        raise ValueError(f"{file}: image mode must be one of {', '.join(_GRAY_MODES + _COLOR_MODES)}, got {mode}")
    return mode


def _read_image(file: Path, mode: str, size: tuple[int, int] | None) -> np.ndarray:
    from PIL import Image

    def pixels(image: Any) -> np.ndarray:
        image = image.convert(mode)
        return np.asarray(image if size is None else image.resize(size[::-1], Image.Resampling.BILINEAR))

    return _open(file, pixels)


def _open(file: Path, read: Any) -> Any:
    from PIL import Image

    try:
        with Image.open(file) as image:
            return read(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{file} is not a readable image: {' '.join(str(error).split())}") from error
