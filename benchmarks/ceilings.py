"""How fast this device can be at best: measured by a large product and a triad, and as its maker says."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from benchmarks.cost import Cost

REPEATS = 7

STATED_FLOPS = {
    "NVIDIA A100": 156e12,
    "NVIDIA H100": 495e12,
    "NVIDIA H200": 495e12,
    "TPU v4": 275e12,
    "TPU v5 lite": 197e12,
    "TPU v5": 459e12,
    "TPU v6 lite": 918e12,
}
"""FLOP/s of dense products as JAX computes those of float32 by default: in TF32 on a GPU, in bfloat16 on a TPU."""


class Ceilings(NamedTuple):
    """FLOP/s of a large product, bytes/s of a triad; FLOP/s as stated for this kind of device, None where not known."""

    flops: float
    bytes: float
    stated_flops: float | None = None


def ceilings(size: int | None = None) -> Ceilings:
    """Measured now, on one device: products of size x size, a triad of 16 times as many bytes as one of them has."""
    device = jax.devices()[0]
    size = size or (2048 if device.platform == "cpu" else 8192)
    matrices = [jax.random.normal(jax.random.key(k), (size, size)) for k in range(2)]
    product = jax.jit(jnp.matmul)
    flops = 2 * size**3 / _best_seconds(lambda: product(*matrices))
    b, c = (jnp.full(16 * size**2, value) for value in (1.0, 2.0))
    into = jax.jit(lambda a, b, c: b + 0.5 * c, donate_argnums=0, keep_unused=True)
    a = jnp.zeros_like(b)

    def triad() -> jax.Array:
        nonlocal a  # which is written into, as fresh memory would be slower
        a = into(a, b, c)
        return a

    moved = 3 * b.nbytes / _best_seconds(triad)
    return Ceilings(flops, moved, stated_flops(device.device_kind))


def stated_flops(kind: str) -> float | None:
    """Of the longest name that the kind begins with."""
    names = sorted((name for name in STATED_FLOPS if kind.startswith(name)), key=len)
    return STATED_FLOPS[names[-1]] if names else None


def share_of_flops(cost: Cost, seconds: float, most: Ceilings) -> float | None:
    """FLOP/s as a share of those of a large product, or of what is stated where that is known ("utilisation")."""
    return None if cost.flops is None else cost.flops / seconds / (most.stated_flops or most.flops)


def share_of_roofline(cost: Cost, seconds: float, most: Ceilings) -> float | None:
    """The least time that operations and traffic need, as a share of that which was taken (Williams et al., 2009)."""
    if cost.flops is None or cost.bytes is None:
        return None
    return max(cost.flops / most.flops, cost.bytes / most.bytes) / seconds


def _best_seconds(call: Callable[[], Any]) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        since = time.perf_counter()
        jax.block_until_ready(call())
        best = min(best, time.perf_counter() - since)
    return best
