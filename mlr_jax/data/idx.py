"""Image sets in IDX files, the format of MNIST (LeCun et al. 1998), compressed by gzip or not.

A folder holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same of `t10k`, each perhaps with `.gz`. An
IDX file is two zero bytes, a type code, the number of axes, the length of each axis as a big-endian 32 bit integer, and
then the values, the last axis fastest.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from mlr_jax.data.arrays import Arrays, Dataset, check_arrays, count_classes

FASHION_NAMES = (
    "T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"
)  # fmt: skip
"""The classes of Fashion-MNIST (Xiao et al. 2017), which its files give as numbers only."""

FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")
"""Where the Debian package dataset-fashion-mnist puts its files."""

_UNSIGNED_BYTE = 0x08


def fashion_mnist() -> Dataset:
    """Fashion-MNIST, x [60000, 28, 28, 1] to train and [10000, 28, 28, 1] to test, from its Debian package's folder.

    Raises FileNotFoundError if the package is not installed.
    """
    if not holds_idx(FASHION_FOLDER):
        raise FileNotFoundError(
            f"fashion_mnist is read from {FASHION_FOLDER}, where it is not: install the Debian package "
            "dataset-fashion-mnist, or name the folder that holds train-images-idx3-ubyte.gz"
        )
    return read_idx(FASHION_FOLDER)


def holds_idx(folder: Path) -> bool:
    """Whether the folder looks like one that `read_idx` reads."""
    return any((folder / f"train-images-idx3-ubyte{ending}").is_file() for ending in (".gz", ""))


def read_idx(folder: str | Path) -> Dataset:
    """The set of a folder of four IDX files; of one whose name holds "fashion" the classes have their names.

    Raises FileNotFoundError for a file that is not there, ValueError for one that is no IDX file of bytes, is cut off,
    or does not fit the others.
    """
    folder = Path(folder)
    train, test = (_read_split(folder, split) for split in ("train", "t10k"))
    num_classes = count_classes(train["y"], f"{folder}: training labels")
    for split, part in (("train", train), ("t10k", test)):
        check_arrays(part, num_classes=num_classes, name=f"{folder}: {split}")
    has_names = "fashion" in folder.name.lower() and num_classes == len(FASHION_NAMES)
    return Dataset(train, test, FASHION_NAMES if has_names else tuple(map(str, range(num_classes))))


def read_array(path: Path) -> np.ndarray:
    """The array of one IDX file of unsigned bytes. Raises ValueError for another file."""
    data = _bytes_of(path)
    if len(data) < 4 or data[:2] != b"\0\0":
        raise ValueError(f"{path} is not an IDX file: it must begin with two zero bytes, got {data[:2]!r}")
    code, rank = data[2], data[3]
    if code != _UNSIGNED_BYTE:
        raise ValueError(f"{path} holds values of type 0x{code:02x}, only unsigned bytes (0x08) are read")
    start = 4 + 4 * rank
    shape = tuple(int.from_bytes(data[place : place + 4], "big") for place in range(4, start, 4))
    if len(data) != start + math.prod(shape):
        raise ValueError(f"{path} must hold {math.prod(shape)} values of shape {list(shape)}, got {len(data) - start}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _read_split(folder: Path, split: str) -> Arrays:
    images, labels = (read_array(_find(folder, f"{split}-{name}-ubyte")) for name in ("images-idx3", "labels-idx1"))
    if images.ndim != 3 or labels.ndim != 1:
        shapes = f"{list(images.shape)} and {list(labels.shape)}"
        raise ValueError(f"{folder}: {split} must hold images [N, H, W] and labels [N], got {shapes}")
    return {"x": images[..., None].astype(np.float32) / np.float32(255), "y": labels.astype(np.int32)}


def _find(folder: Path, name: str) -> Path:
    for path in (folder / f"{name}.gz", folder / name):
        if path.is_file():
            return path
    raise FileNotFoundError(f"{folder} must hold the file {name} or {name}.gz, which is not there")


def _bytes_of(path: Path) -> bytes:
    if path.suffix != ".gz":
        return path.read_bytes()
    try:
        return gzip.decompress(path.read_bytes())
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is not a whole gzip file: {error}") from error
