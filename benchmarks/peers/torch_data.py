"""Batches by PyTorch's DataLoader, and random changes of images written for a whole batch."""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import numpy as np


def loaded(arrays: Mapping[str, np.ndarray], batch: int, count: int) -> Callable[[], float]:
    """The first batches of a shuffled epoch, one gather of rows for each, in this process."""
    import torch
    from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

    tensors = TensorDataset(*(torch.from_numpy(value.copy()) for value in arrays.values()))
    sampler = BatchSampler(RandomSampler(tensors), batch, drop_last=True)
    loader: Any = DataLoader(tensors, sampler=sampler, batch_size=None)

    def call() -> float:
        *_, last = islice(loader, count)
        return float(last[-1][0])

    return call


def varied(images: np.ndarray, padding: int) -> Callable[[], float]:
    """Each image of [B, H, W, C] shifted and mirrored at random, by one gather for the batch."""
    import torch

    rows, height, width, _ = images.shape
    wide = torch.nn.functional.pad(torch.from_numpy(images.copy()), (0, 0, padding, padding, padding, padding))

    def call() -> float:
        top, left = (torch.randint(0, 2 * padding + 1, (rows, 1)) for _ in range(2))
        columns = torch.arange(width).expand(rows, -1)
        columns = torch.where(torch.rand(rows, 1) < 0.5, columns.flip(1), columns) + left
        down = torch.arange(height) + top
        found = wide[torch.arange(rows)[:, None, None], down[:, :, None], columns[:, None, :]]
        return float(found.sum())

    return call
