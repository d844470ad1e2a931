"""The classifiers of the MLP and vision cases in PyTorch, on all cores. torch is imported where a peer is made."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.case import Work

RATE, MOMENTUM = 0.01, 0.9

Update = Callable[[Any], Any]
"""The parameters of a model -> the optimizer."""


def both_ways(
    model: Callable[[], Any], batches: Mapping[str, np.ndarray], update: Update, *, short: bool
) -> dict[str, Work]:
    """Eager and, in the full form, compiled: a step for each batch of x [n, B, ...] and y [n, B]."""
    works = {"PyTorch": Work(trained(model(), batches, update, compiled=False))}
    return works if short else {**works, "PyTorch, compiled": Work(trained(model(), batches, update, compiled=True))}


def trained(model: Any, batches: Mapping[str, np.ndarray], update: Update, *, compiled: bool) -> Callable[[], float]:
    """Steps of an optimizer on the cross-entropy; images [n, B, H, W, C] lie channels last in memory."""
    import torch

    model = model.to(memory_format=torch.channels_last).train()
    optimizer = update(model.parameters())
    forward = torch.compile(model) if compiled else model
    inputs = [torch.from_numpy(x.copy()) for x in batches["x"]]
    inputs = [x.permute(0, 3, 1, 2) if x.ndim == 4 else x for x in inputs]
    labels = [torch.from_numpy(y.astype(np.int64)) for y in batches["y"]]

    def call() -> float:
        for x, y in zip(inputs, labels, strict=True):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(forward(x), y)
            loss.backward()
            optimizer.step()
        return float(loss.detach())

    return call


def sgd(parameters: Any) -> Any:
    """Stochastic gradient descent with momentum."""
    import torch

    return torch.optim.SGD(parameters, lr=RATE, momentum=MOMENTUM)


def adam(parameters: Any) -> Any:
    """Adam, fused."""
    import torch

    return torch.optim.Adam(parameters, lr=1e-3, fused=True)


def mlp(inputs: int, widths: tuple[int, ...], outputs: int) -> Any:
    """Linear maps with relu between them."""
    from torch import nn

    layers: list[Any] = []
    for before, after in zip((inputs, *widths), (*widths, outputs), strict=True):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def cnn(size: int, widths: tuple[int, ...], hidden: int) -> Any:
    """Convolution, normalisation, relu and pooling for each width, then a hidden layer; one channel."""
    from torch import nn

    layers: list[Any] = []
    for before, after in zip((1, *widths), widths, strict=False):
        convolution = nn.Conv2d(before, after, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
        size //= 2
    inner = nn.Linear(widths[-1] * size * size, hidden, bias=False)
    return nn.Sequential(*layers, nn.Flatten(), inner, nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, 10))


def lenet() -> Any:
    """LeNet-5."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip


def resnet20() -> Any:
    """ResNet-20, shortcuts without parameters."""
    return _resnet((16, 32, 64), 3, projection=False)


def resnet18() -> Any:
    """ResNet-18 with a stem of one 3x3 convolution."""
    return _resnet((64, 128, 256, 512), 2, projection=True)


def _resnet(widths: tuple[int, ...], depth: int, *, projection: bool) -> Any:
    import torch
    from torch import nn

    def conv_norm(before: int, after: int, kernel: int, stride: int) -> Any:
        conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(after))

    class Block(nn.Module):
        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            self.first, self.second = conv_norm(before, after, 3, stride), conv_norm(after, after, 3, 1)
            self.stride, self.new = stride, after - before
            self.shortcut = conv_norm(before, after, 1, stride) if projection and self.new else None

        def forward(self, x: Any) -> Any:
            y = self.second(torch.relu(self.first(x)))
            if self.shortcut is not None:
                x = self.shortcut(x)
            elif self.new:
                x = nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))
            return torch.relu(x + y)

    layers = [conv_norm(3, widths[0], 3, 1), nn.ReLU()]
    before = widths[0]
    for stage, width in enumerate(widths):
        for index in range(depth):
            layers.append(Block(before, width, 2 if stage and not index else 1))
            before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))


def vit_tiny() -> Any:
    """ViT-Ti on 4x4 patches of 32x32 images, with a class token."""
    import torch
    from torch import nn

    width, blocks, heads, tokens = 192, 12, 3, 65

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
            self.joint, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x: Any) -> Any:
            q, k, v = self.joint(self.first(x)).view(*x.shape[:2], 3, heads, -1).permute(2, 0, 3, 1, 4)
            y = nn.functional.scaled_dot_product_attention(q, k, v)
            x = x + self.out(y.transpose(1, 2).reshape(x.shape))
            return x + self.mlp(self.second(x))

    class ViT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Conv2d(3, width, 4, 4)
            self.token = nn.Parameter(torch.zeros(1, 1, width))
            self.positions = nn.Parameter(0.02 * torch.randn(1, tokens, width))
            self.blocks = nn.Sequential(*(Block() for _ in range(blocks)))
            self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, 10)

        def forward(self, x: Any) -> Any:
            y = self.embedding(x).flatten(2).transpose(1, 2)
            y = torch.cat([self.token.expand(len(y), -1, -1), y], 1) + self.positions
            return self.head(self.norm(self.blocks(y))[:, 0])

    return ViT()
