"""`torch.save` and `torch.load` of the same arrays, flushed to the disk."""

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def saved(state: Mapping[str, Any]) -> Callable[[], float]:
    """A call that writes the file, and returns when it is on the disk."""
    import torch

    tensors = {name: torch.from_numpy(np.array(value)) for name, value in state.items()}
    folder = tempfile.TemporaryDirectory()

    def call() -> float:
        path = Path(folder.name) / "state.pt"
        with path.open("wb") as file:
            torch.save(tensors, file)
            file.flush()
            os.fsync(file.fileno())
        return float(path.exists())

    return call


def restored(state: Mapping[str, Any]) -> Callable[[], float]:
    """A call that reads it back."""
    import torch

    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "state.pt"
    torch.save({name: torch.from_numpy(np.array(value)) for name, value in state.items()}, path)

    def call() -> float:
        assert folder.name  # it is removed when nobody needs it any more
        return float(torch.load(path)["0"][0])

    return call
