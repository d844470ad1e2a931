"""Image classification sets by name or from the disk: an .npz file, a folder of IDX files, or a folder of images."""

import difflib
import zipfile
from pathlib import Path

import numpy as np

from mlr_jax.data import bundled, idx, tfds
from mlr_jax.data.arrays import Arrays, Dataset, check_arrays, count_classes, stratified_split
from mlr_jax.data.image_folder import read_folder

CHANNELS = (1, 3, 4)
"""Grey, red-green-blue, and with opacity: what can be shown."""
_NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")


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

    Images are uint8, or floating point in [0, 1], of shape [N, H, W] or [N, H, W, C] with C of 1, 3 or 4; labels are
    integers [N] or [N, 1]. The classes are 0 to the greatest training label, named by their number.

    Raises FileNotFoundError if there is no such file, ValueError if it is not an .npz, needs pickle, lacks a key,
    holds arrays of another kind or images of two shapes, or a class has no training row.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no .npz file at {path}")
    x_train, y_train, x_test, y_test = _read_npz_arrays(path)
    train = {"x": _as_images(x_train, f"{path}: x_train"), "y": _as_labels(y_train, f"{path}: y_train")}
    test = {"x": _as_images(x_test, f"{path}: x_test"), "y": _as_labels(y_test, f"{path}: y_test")}
    if train["x"].shape[1:] != test["x"].shape[1:]:
        raise ValueError(
            f"{path}: x_test has images of shape {list(test['x'].shape[1:])}, x_train of {list(train['x'].shape[1:])}"
        )
    num_classes = count_classes(train["y"], f"{path}: y_train")
    for split, part in (("train", train), ("test", test)):
        check_arrays(part, num_classes=num_classes, name=f"{path}: {split}")
        part["y"] = part["y"].astype(np.int32)  # only now: a label beyond 32 bits would wrap into another class
    return Dataset(train, test, tuple(map(str, range(num_classes))))


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
    is_number = array.dtype == np.uint8 or np.issubdtype(array.dtype, np.floating)
    if not is_number or not (array.ndim == 3 or (array.ndim == 4 and array.shape[3] in CHANNELS)):
        raise ValueError(
            f"{name} must be uint8 or floating point of shape [N, H, W] or [N, H, W, C] with C of 1, 3 or 4, "
            f"got {array.dtype} of shape {list(array.shape)}"
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
