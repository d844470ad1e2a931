"""PyTorch's own files (`.pth`, `.pt`), read without PyTorch and without running anything that stands in them."""

import io
import math
import mmap
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from mlr_jax.transfer.pickle_data import read_pickle

DTYPES = {
    "Double": np.float64, "Float": np.float32, "Half": np.float16, "BFloat16": ml_dtypes.bfloat16,
    "Long": np.int64, "Int": np.int32, "Short": np.int16, "Char": np.int8, "Byte": np.uint8, "Bool": np.bool_,
}  # fmt: skip
"""Of the elements of a storage, by its name in the file without "Storage"."""

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001


class Storage(NamedTuple):
    """Numbers that stand one after another in the file: `length` of them."""

    key: str
    dtype: np.dtype
    length: int


class Tensor(NamedTuple):
    """A view of a storage: the element at index i is that at offset + sum_a i_a strides_a."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


Bytes = Callable[[Storage], bytes]
"""The content of a storage."""


def read_pth(path: str | Path) -> Any:
    """What a file of `torch.save` holds: dicts, lists and numbers as they are, tensors as read-only numpy arrays.

    Both formats are read: the zip archive, and the pickles one after another that PyTorch wrote before 1.6. Of the
    pickle only what builds dicts and tensors is carried out (see `pickle_data.py`), so a hostile file does nothing,
    and what is read takes no more memory than the file.

    Raises ValueError, which names the file, for one that is damaged, asks for anything else, or has tensors that reach
    outside of their storage.
    """
    with Path(path).open("rb") as file:
        try:
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    return _read_zip(archive, Path(path).stat().st_size)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _read_legacy(content)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        except DAMAGES as error:
            raise ValueError(f"{path}: damaged: {error!r}") from error


DAMAGES = (
    zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, NotImplementedError, RuntimeError, OverflowError,
    TypeError, KeyError, IndexError,
)  # fmt: skip
"""What the standard library raises for damaged archives, and values that are not where they should be."""


def _read_zip(archive: zipfile.ZipFile, size: int) -> Any:
    """Of `torch.save` since PyTorch 1.6: NAME/data.pkl and a file NAME/data/KEY for each storage."""
    pickles = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ValueError("an archive without NAME/data.pkl: not a file of torch.save")
    folder = pickles[0].removesuffix("data.pkl")
    if sum(entry.file_size for entry in archive.infolist()) > size:
        raise ValueError("an archive that unpacks to more than its size: torch.save does not compress")
    if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
        raise ValueError("written on a big-endian machine, which is not supported")
    value = read_pickle(io.BytesIO(archive.read(pickles[0])), NAMES, _storage)

    def content(storage: Storage) -> bytes:
        name = f"{folder}data/{storage.key}"
        if name not in archive.namelist():
            raise ValueError(f"storage {storage.key} is missing")
        return archive.read(name)

    return _with_arrays(value, content)


def _read_legacy(file: mmap.mmap) -> Any:
    """Of `torch.save` before PyTorch 1.6: five pickles, then for each storage its length and its numbers."""
    if file[:1] != b"\x80" or read_pickle(file, {}) != LEGACY_MAGIC:
        raise ValueError("neither a zip archive nor the older format of torch.save")
    if read_pickle(file, {}) != LEGACY_PROTOCOL or not read_pickle(file, {})["little_endian"]:
        raise ValueError("an unknown version of torch.save, or written on a big-endian machine: not supported")
    storages: dict[str, Storage] = {}

    def noted(identifier: Any) -> Storage:
        storage = _storage(identifier)
        return storages.setdefault(storage.key, storage)

    value = read_pickle(file, NAMES, noted)
    contents = {}
    for key in read_pickle(file, {}):
        if key not in storages:
            raise ValueError(f"storage {key} belongs to no tensor")
        num_bytes = int.from_bytes(file.read(8), "little") * storages[key].dtype.itemsize
        contents[key] = file.read(num_bytes) if num_bytes <= len(file) else b""

    def content(storage: Storage) -> bytes:
        if storage.key not in contents:
            raise ValueError(f"storage {storage.key} is missing")
        return contents[storage.key]

    return _with_arrays(value, content)


def _storage(identifier: Any) -> Storage:
    """What the pickle says of a storage: ("storage", dtype, key, device, number of elements, view or nothing)."""
    match identifier:
        case ("storage", np.dtype() as dtype, str(key), str(), int(count), *rest) if (
            rest in ([], [None]) and count >= 0
        ):
            return Storage(key, dtype, count)
    raise ValueError("a storage of an unknown form")


def _tensor(storage: Any, offset: int, shape: tuple, strides: tuple, *_: Any) -> Tensor:
    """Stands for torch._utils._rebuild_tensor_v2."""
    numbers = (offset, *shape, *strides)
    is_right = isinstance(storage, Storage) and all(type(n) is int and n >= 0 for n in numbers)
    if not is_right or len(shape) != len(strides):
        raise ValueError("a tensor of an unknown form")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    elements = math.prod(shape)
    if elements and (last >= storage.length or elements > storage.length):
        raise ValueError(f"a tensor of shape {shape} reaches outside of its storage of {storage.length} elements")
    return Tensor(storage, offset, shape, strides)


def _parameter(data: Any, *_: Any) -> Any:
    """Stands for torch._utils._rebuild_parameter."""
    return data


def _ordered(items: Any = ()) -> dict:
    """Stands for collections.OrderedDict."""
    return dict(items)


NAMES: Mapping[str, Any] = {
    "collections.OrderedDict": _ordered,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    **{f"torch.{name}Storage": np.dtype(dtype) for name, dtype in DTYPES.items()},
}
"""All that a pickle may mention, and what it gets."""


def _with_arrays(value: Any, content: Bytes) -> Any:
    """`value` with an array, a view of its storage, for each tensor."""
    storages: dict[Storage, np.ndarray] = {}
    done: dict[int, Any] = {}  # by identity: a pickle of a few bytes can hold one list a million times

    def array(tensor: Tensor) -> np.ndarray:
        storage = tensor.storage
        if storage not in storages:
            storages[storage] = np.frombuffer(_checked(content(storage), storage), storage.dtype)
        steps = tuple(stride * storage.dtype.itemsize for stride in tensor.strides)
        return np.lib.stride_tricks.as_strided(storages[storage][tensor.offset :], tensor.shape, steps, writeable=False)

    def replaced(value: Any) -> Any:
        if id(value) not in done:
            if isinstance(value, Tensor):
                done[id(value)] = array(value)
            elif isinstance(value, dict):
                done[id(value)] = {key: replaced(item) for key, item in value.items()}
            elif isinstance(value, (list, tuple)):
                done[id(value)] = [replaced(item) for item in value]
            else:
                return value
        return done[id(value)]

    return replaced(value)


def _checked(content: bytes, storage: Storage) -> bytes:
    if len(content) != storage.length * storage.dtype.itemsize:
        raise ValueError(f"storage {storage.key} has {len(content)} bytes, not {storage.length} {storage.dtype}")
    return content
