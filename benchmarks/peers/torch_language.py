"""The networks of the language cases in PyTorch, on all cores. torch is imported where a peer is made."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.case import Work

RATE, DECAY, HIDDEN = 1e-3, 0.1, 0.15


def both_ways(model: Callable[[], Any], tokens: np.ndarray, *, short: bool) -> dict[str, Work]:
    """Eager and, in the full form, compiled."""
    works = {"PyTorch": Work(trained(model(), tokens, compiled=False))}
    return works if short else {**works, "PyTorch, compiled": Work(trained(model(), tokens, compiled=True))}


def trained(model: Any, tokens: np.ndarray, *, compiled: bool) -> Callable[[], float]:
    """Steps of AdamW on clipped gradients, one for each batch of tokens [n, B, T + 1]."""
    import torch

    model = model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY, fused=True)
    loss_of = torch.compile(model) if compiled else model
    batches = list(torch.from_numpy(tokens.astype(np.int64)))

    def call() -> float:
        for batch in batches:
            optimizer.zero_grad()
            loss = loss_of(batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        return float(loss.detach())

    return call


def recurrent_lm(vocabulary: int, cell: str, depth: int, width: int) -> Any:
    """Cells on one another; called with tokens [B, T + 1] it returns the loss of the last T."""
    import torch
    from torch import nn

    class RecurrentLM(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(vocabulary, width)
            self.cells = (nn.LSTM if cell == "lstm" else nn.GRU)(width, width, depth, batch_first=True)
            self.output = nn.Linear(width, vocabulary)

        def forward(self, tokens: Any) -> Any:
            logits = self.output(self.cells(self.embedding(tokens[:, :-1]))[0])
            return torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())

    return RecurrentLM()


def gpt(vocabulary: int, context: int, depth: int, heads: int, width: int) -> Any:
    """Pre-norm causal blocks, embeddings shared with the output; `logits` can go on from a cache."""
    import torch
    from torch import nn

    block = _block(pre_norm=True, causal=True)

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
            nn.init.normal_(self.embedding.weight, std=0.02)
            self.blocks = nn.ModuleList(block(heads, width) for _ in range(depth))
            self.norm = nn.LayerNorm(width)

        def logits(self, tokens: Any, caches: list[Any] | None = None) -> Any:
            seen = caches[0][0].shape[2] if caches and caches[0] else 0
            x = self.embedding(tokens) + self.positions(torch.arange(seen, seen + tokens.shape[1]))
            for index, layer in enumerate(self.blocks):
                x, cache = layer(x, caches[index] if caches else None)
                if caches is not None:
                    caches[index] = cache
            return self.norm(x) @ self.embedding.weight.T

        def forward(self, tokens: Any) -> Any:
            logits = self.logits(tokens[:, :-1])
            return torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())

    return GPT()


def masked_lm(vocabulary: int, context: int, depth: int, heads: int, width: int) -> Any:
    """Post-norm blocks; called with tokens [B, T + 1] it hides some of the first T and returns their loss."""
    import torch
    from torch import nn

    block = _block(pre_norm=False, causal=False)

    class MaskedLM(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
            nn.init.normal_(self.embedding.weight, std=0.02)
            self.first_norm = nn.LayerNorm(width)
            self.blocks = nn.ModuleList(block(heads, width) for _ in range(depth))
            self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
            self.bias = nn.Parameter(torch.zeros(vocabulary))

        def forward(self, tokens: Any) -> Any:
            tokens = tokens[:, :-1]
            places = torch.rand(tokens.shape).topk(round(HIDDEN * tokens.shape[1])).indices
            x = self.embedding(tokens.scatter(1, places, 0)) + self.positions(torch.arange(tokens.shape[1]))
            x = self.first_norm(x)
            for layer in self.blocks:
                x, _ = layer(x)
            hidden = x.gather(1, places[..., None].expand(*places.shape, width))
            logits = self.head(hidden) @ self.embedding.weight.T + self.bias
            return torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens.gather(1, places).flatten())

    return MaskedLM()


def _block(*, pre_norm: bool, causal: bool) -> Any:
    """The class of a transformer's blocks: x [B, T, D] and keys and values of before -> x, and those with the new."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, heads: int, width: int) -> None:
            super().__init__()
            self.heads = heads
            self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
            self.joint, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def attend(self, x: Any, cache: Any) -> Any:
            q, k, v = self.joint(x).view(*x.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            if cache:
                k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal and x.shape[1] > 1)
            return self.out(y.transpose(1, 2).reshape(x.shape)), (k, v)

        def forward(self, x: Any, cache: Any = None) -> Any:
            if pre_norm:
                y, cache = self.attend(self.first(x), cache)
                x = x + y
                return x + self.mlp(self.second(x)), cache
            y, cache = self.attend(x, cache)
            x = self.first(x + y)
            return self.second(x + self.mlp(x)), cache

    return Block


def written(model: Any, prompt: np.ndarray, steps: int) -> Callable[[], float]:
    """The likeliest tokens behind prompts [B, P], from a cache of keys and values: how many they are."""
    import torch

    model = model.eval()
    tokens = torch.from_numpy(prompt.astype(np.int64))

    @torch.inference_mode()
    def call() -> float:
        caches: list[Any] = [()] * len(model.blocks)
        token, count = tokens, 0
        for _ in range(steps):
            token = model.logits(token, caches)[:, -1].argmax(-1, keepdim=True)
            count += token.numel()
        return float(count)

    return call
