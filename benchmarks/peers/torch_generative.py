"""The networks of `cases/generative.py` in PyTorch, channels last, on all cores. torch is imported where it is used."""

from collections.abc import Callable
from typing import Any

import numpy as np

VAE_RATE = 1e-3
LATENTS, VAE_HIDDEN, VAE_WIDTHS = 32, 256, (32, 64)

GAN_RATE, GAN_B1, GAN_AVERAGING = 2e-4, 0.5, 0.999
GAN_LATENTS, GAN_WIDTHS = 100, (64, 128, 256)


def vae(images: np.ndarray, compiled: bool) -> Callable[[], float]:
    """Steps of Adam on the ELBO of a convolutional VAE, one for each batch of images [n, B, 28, 28, 1] in [0, 1]."""
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

    model: Any = VAE()
    model = model.to(memory_format=torch.channels_last).train()
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


def dcgan(images: np.ndarray, compiled: bool) -> Callable[[], float]:
    """Steps of Adam of a critic and then of a generator, one for each batch of images [n, B, 32, 32, 3] in [0, 1].

    The generator's parameters are averaged, as ours are.
    """
    import torch
    from torch import nn

    softplus = nn.functional.softplus
    generator, critic = (model.to(memory_format=torch.channels_last).train() for model in _dcgan_pair())
    average = [parameter.detach().clone() for parameter in generator.parameters()]
    make, judge = (torch.compile(model) if compiled else model for model in (generator, critic))
    of_generator, of_critic = (
        torch.optim.Adam(model.parameters(), lr=GAN_RATE, betas=(GAN_B1, 0.999)) for model in (generator, critic)
    )
    batches = [torch.from_numpy(x.copy()).permute(0, 3, 1, 2) for x in images]  # channels last in memory

    def call() -> float:
        for x in batches:
            of_critic.zero_grad()
            with torch.no_grad():
                fake = make(torch.randn(x.shape[0], GAN_LATENTS))
            loss = (softplus(-judge(2 * x - 1)) + softplus(judge(fake))).mean()
            loss.backward()
            of_critic.step()
            of_generator.zero_grad()
            softplus(-judge(make(torch.randn(x.shape[0], GAN_LATENTS)))).mean().backward()
            of_generator.step()
            with torch.no_grad():
                torch._foreach_lerp_(average, list(generator.parameters()), 1 - GAN_AVERAGING)
        return float(loss.detach())

    return call


def _dcgan_pair() -> tuple[Any, Any]:
    """A generator of images in (-1, 1) and a critic of them, with batch normalisation."""
    from torch import nn

    first, second, third = GAN_WIDTHS
    generator = nn.Sequential(
        nn.Linear(GAN_LATENTS, 16 * third, bias=False), nn.Unflatten(1, (third, 4, 4)),
        nn.BatchNorm2d(third), nn.ReLU(),
        nn.ConvTranspose2d(third, second, 4, 2, 1, bias=False), nn.BatchNorm2d(second), nn.ReLU(),
        nn.ConvTranspose2d(second, first, 4, 2, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU(),
        nn.ConvTranspose2d(first, 3, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip
    critic = nn.Sequential(
        nn.Conv2d(3, first, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(first, second, 4, 2, 1, bias=False), nn.BatchNorm2d(second), nn.LeakyReLU(0.2),
        nn.Conv2d(second, third, 4, 2, 1, bias=False), nn.BatchNorm2d(third), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(16 * third, 1), nn.Flatten(0),
    )  # fmt: skip
    return generator, critic
