"""Name maps: which tensor of a published file becomes which variable of a model here, and how it is laid out."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Change = Callable[[np.ndarray], np.ndarray]
"""Reorders the axes of a tensor."""


class Layout(NamedTuple):
    """How a tensor of the file is turned into a variable, and back."""

    read: Change
    write: Change


class Entry(NamedTuple):
    """Tensor `name` of the file is variable `path`, such as "params/stem_conv/kernel".

    Several names are tensors of one shape that stand in the variable one after another, outputs of one product say.
    """

    name: str | tuple[str, ...]
    path: str
    layout: Layout

    @property
    def names(self) -> tuple[str, ...]:
        """Of all tensors that the variable is made of."""
        return (self.name,) if isinstance(self.name, str) else self.name


class Names(NamedTuple):
    """A name map. Tensors whose name ends with one of `ignored` are in files, but mean nothing here."""

    entries: tuple[Entry, ...]
    ignored: tuple[str, ...] = (".num_batches_tracked",)


SAME = Layout(lambda x: x, lambda x: x)
TRANSPOSED = Layout(np.transpose, np.transpose)
"""Dense layers: PyTorch's [outputs, inputs] is [inputs, outputs] here."""

KERNEL = Layout(lambda x: x.transpose(2, 3, 1, 0), lambda x: x.transpose(3, 2, 0, 1))
"""Convolutions: PyTorch's [O, C, K, L] is [K, L, C, O] here."""


def after_maps(height: int, width: int) -> Layout:
    """The dense layer behind flattened maps, whose inputs PyTorch orders [C, H, W] and we [H, W, C]."""

    def read(x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), -1, height, width).transpose(2, 3, 1, 0).reshape(-1, len(x))

    def write(x: np.ndarray) -> np.ndarray:
        return x.reshape(height, width, -1, x.shape[-1]).transpose(3, 2, 0, 1).reshape(x.shape[-1], -1)

    return Layout(read, write)


def conv(name: str, path: str, *, bias: bool = False) -> list[Entry]:
    """A convolution."""
    return [Entry(f"{name}.weight", f"params/{path}/kernel", KERNEL), *_bias(name, path, bias)]


def dense(name: str, path: str, layout: Layout = TRANSPOSED) -> list[Entry]:
    """A dense layer."""
    return [Entry(f"{name}.weight", f"params/{path}/kernel", layout), *_bias(name, path, True)]


def layer_norm(name: str, path: str) -> list[Entry]:
    """A layer normalisation."""
    return [Entry(f"{name}.weight", f"params/{path}/scale", SAME), *_bias(name, path, True)]


def batch_norm(name: str, path: str) -> list[Entry]:
    """A batch normalisation with its running moments."""
    moments = (("running_mean", "mean"), ("running_var", "var"))
    return layer_norm(name, path) + [Entry(f"{name}.{old}", f"batch_stats/{path}/{new}", SAME) for old, new in moments]


def _bias(name: str, path: str, bias: bool) -> list[Entry]:
    return [Entry(f"{name}.bias", f"params/{path}/bias", SAME)] if bias else []
