"""`torch.save` and `torch.load` of the same arrays, flushed to the disk."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.case import temporary_folder


def saved(state: Mapping[str, Any]) -> Callable[[], float]:
    """A call that writes the file, and returns when it is on the disk."""
    import torch

    tensors = {name: torch.from_numpy(np.array(value)) for name, value in state.items()}
    path = temporary_folder() / "state.pt"

    def call() -> float:
        with path.open("wb") as file:
            torch.save(tensors, file)
            file.flush()
            os.fsync(file.fileno())
        return float(path.exists())

    return call


def restored(state: Mapping[str, Any]) -> Callable[[], float]:
    """A call that reads it back."""
    import torch

    path = temporary_folder() / "state.pt"
    torch.save({name: torch.from_numpy(np.array(value)) for name, value in state.items()}, path)

    def call() -> float:
        return float(torch.load(path)["0"][0])

    return call
