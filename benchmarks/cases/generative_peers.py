"""The networks of `cases/generative.py` in PyTorch, channels last, on all cores. torch is imported where it is used."""

from collections.abc import Callable
from typing import Any

import numpy as np

VAE_RATE = 1e-3
LATENTS, VAE_HIDDEN, VAE_WIDTHS = 32, 256, (32, 64)


def vae(images: np.ndarray, *, compiled: bool) -> Callable[[], float]:
    """Steps of Adam on the ELBO of a convolutional VAE, one for each batch of images [n, B, 28, 28, 1] of 0 and 1."""
    import torch
    from torch import nn

    first, second = VAE_WIDTHS

    class VAE(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(
                nn.Conv2d(1, first, 4, 2, 1), nn.ReLU(), nn.Conv2d(first, second, 4, 2, 1), nn.ReLU(), nn.Flatten(),
                nn.Linear(49 * second, VAE_HIDDEN), nn.ReLU(), nn.Linear(VAE_HIDDEN, 2 * LATENTS),
            )  # fmt: skip
            self.decoder = nn.Sequential(
                nn.Linear(LATENTS, VAE_HIDDEN), nn.ReLU(), nn.Linear(VAE_HIDDEN, 49 * second), nn.ReLU(),
                nn.Unflatten(1, (second, 7, 7)),
                nn.ConvTranspose2d(second, first, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(first, 1, 4, 2, 1),
            )  # fmt: skip

        def forward(self, x: Any) -> Any:
            mean, log_std = self.encoder(x).chunk(2, 1)
            logits = self.decoder(mean + log_std.exp() * torch.randn_like(mean))
            misfit = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
            divergence = (0.5 * (mean.square() + (2 * log_std).exp() - 1) - log_std).sum()
            return (misfit + divergence) / x.shape[0]

    model = VAE().to(memory_format=torch.channels_last).train()
    loss_of = torch.compile(model) if compiled else model
    optimizer = torch.optim.Adam(model.parameters(), lr=VAE_RATE)
    batches = [torch.from_numpy(x.copy()).permute(0, 3, 1, 2) for x in images]  # channels last in memory

    def call() -> float:
        for x in batches:
            optimizer.zero_grad()
            loss = loss_of(x)
            loss.backward()
            optimizer.step()
        return float(loss.detach())

    return call
