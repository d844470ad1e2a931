"""Pickles read as data: a pickle is a program, and one that asks for anything but arrays, dicts and lists is refused.

The published files of Planetoid are pickles of Python 2: numpy arrays, scipy's compressed sparse rows, a dict of lists.
Every name that such a file may ask for stands in a table here, and each of numpy's and scipy's stands for a class of
this module that keeps what it is given and runs nothing. Only when all has been read are arrays made, of checked parts.
"""

import pickle
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

MOST_CELLS = 2**29
"""Of a dense matrix: a damaged shape must not take all memory."""


class _Kept:
    """Keeps arguments and state. That each stand-in is a class matters: a pickle could set attributes of a function."""

    arguments: tuple[Any, ...]
    state: Any

    def __init__(self, *arguments: Any) -> None:
        self.arguments, self.state = arguments, ()

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Csr(_Kept):
    """Stands for scipy's `csr_matrix`."""

    def dense(self, name: str) -> np.ndarray:
        """float32 [rows, columns]; repeated places add up. Raises ValueError, which begins with `name`."""
        state = self.state if isinstance(self.state, dict) else {}
        shape: Any = state.get("_shape", state.get("shape"))
        data, indices, indptr = (_made(state.get(key)) for key in ("data", "indices", "indptr"))
        fits: Any = isinstance(shape, tuple) and len(shape) == 2 and all(isinstance(n, int) and n >= 0 for n in shape)
        for array, kind in ((data, np.number), (indices, np.integer), (indptr, np.integer)):
            fits = fits and isinstance(array, np.ndarray) and array.ndim == 1 and np.issubdtype(array.dtype, kind)
        fits = fits and shape[0] * shape[1] <= MOST_CELLS and len(indptr) == shape[0] + 1
        fits = fits and len(data) == len(indices) == indptr[-1] and indptr[0] == 0 and (np.diff(indptr) >= 0).all()
        if not fits or (len(indices) and not 0 <= indices.min() <= indices.max() < shape[1]):
            raise ValueError(f"{name} must hold a sparse matrix in compressed rows; it is damaged")
        dense = np.zeros(shape, np.float32)
        np.add.at(dense, (np.repeat(np.arange(shape[0]), np.diff(indptr)), indices), data)
        return dense


class _Array(_Kept):
    """Stands for numpy's `ndarray`; its state is (version, shape, dtype, is in Fortran's order, bytes)."""

    def array(self) -> np.ndarray:
        _, shape, dtype, fortran, content = self.state
        content = content.encode("latin1") if isinstance(content, str) else content
        order = dtype.state[1] if dtype.state else "|"
        code = dtype.arguments[0]
        if not (isinstance(dtype, _Dtype) and code[0] in "iufb" and order in "<>|=" and isinstance(content, bytes)):
            raise pickle.UnpicklingError("an array must hold numbers")
        return np.frombuffer(content, np.dtype(order + code)).reshape(shape, order="F" if fortran else "C")


class _Dtype(_Kept):
    """Stands for numpy's `dtype`; its first argument is a code such as f8, its state has the order of bytes."""


class _EmptyArray(_Kept):
    """Stands for numpy's function that makes the array whose state follows."""

    def __new__(cls, *arguments: Any) -> Any:
        return _Array()


class _Reconstructor(_Kept):
    """Stands for what Python 2 made objects with: of these files, sparse matrices."""

    def __new__(cls, *arguments: Any) -> Any:
        if arguments[:1] != (Csr,):
            raise pickle.UnpicklingError("copy_reg._reconstructor may make a sparse matrix only")
        return Csr()


class _Encode(_Kept):
    """Stands for the function that Python 3 writes bytes with in a pickle for Python 2."""

    def __new__(cls, text: Any, encoding: Any) -> Any:
        if not isinstance(text, str) or encoding != "latin1":
            raise pickle.UnpicklingError("_codecs.encode may encode text in latin1 only")
        return text.encode("latin1")


class _NoBytes(_Kept):
    """Stands for `bytes`, which Python 3 calls for none of them in a pickle for Python 2."""

    def __new__(cls) -> Any:
        return b""


ALLOWED: dict[tuple[str, str], type] = {
    ("numpy.core.multiarray", "_reconstruct"): _EmptyArray,
    ("numpy._core.multiarray", "_reconstruct"): _EmptyArray,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("scipy.sparse.csr", "csr_matrix"): Csr,
    ("scipy.sparse._csr", "csr_matrix"): Csr,
    ("copy_reg", "_reconstructor"): _Reconstructor,
    ("__builtin__", "object"): object,
    ("__builtin__", "list"): list,
    ("__builtin__", "bytes"): _NoBytes,
    ("builtins", "list"): list,
    ("collections", "defaultdict"): defaultdict,
    ("_codecs", "encode"): _Encode,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is neither an array nor a list")
        return ALLOWED[module, name]


def read_pickle(path: Path) -> Any:
    """What a pickle of arrays, sparse matrices (as `Csr`), dicts, lists and numbers holds.

    Raises FileNotFoundError if it is not there; ValueError if it is damaged, or asks for anything else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file at {path}")
    try:
        with path.open("rb") as file:
            return _made(_Reader(file, encoding="latin1").load())
    except Exception as error:  # a damaged pickle fails in any way
        raise ValueError(f"{path} cannot be read as arrays: {type(error).__name__}: {error}") from error


def _made(value: Any) -> Any:
    return value.array() if isinstance(value, _Array) else value
