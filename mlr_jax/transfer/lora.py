"""LoRA: a trained kernel stays as it is, and a product of two thin matrices beside it learns (Hu et al., 2022)."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict

from mlr_jax.core.types import Batch, Hypers, Key, Metrics, Task, Variables
from mlr_jax.transfer.freeze import FROZEN, split

LORA = "lora"
"""Under this name in "params" stand the thin matrices, by the path of their kernel."""


def lora(task: Task, *kernels: str, rank: int, alpha: float = 1.0, trained: tuple[str, ...] = ()) -> Task:
    """`task` that learns W + (alpha / rank) A B in place of each kernel W that a pattern matches, W staying fixed.

    A [inputs, rank] starts as noise of variance 1 / inputs, B [rank, outputs] as zero, so the task starts where it
    was. The last axis of a kernel is its outputs, all others are its inputs: dense layers, projections of attention
    and convolutions alike. "params" hold A and B under "lora", and the parameters that a pattern of `trained` matches
    (a new last layer, say); all others are in the collection "frozen". `merged` gives back plain variables.

    Args:
        task: of any Linen model.
        kernels: regular expressions, held against whole paths as in `transfer/freeze.py`.
        rank: of the product, at least 1.
        alpha: its scale.
        trained: patterns of parameters that learn as before.

    Raises:
        ValueError: a pattern matches nothing, a matched parameter is no kernel of two or more axes, or is trained too,
            or rank < 1.
    """
    if rank < 1 or not kernels:
        raise ValueError(f"got rank={rank} and kernels={kernels}; needed are a rank of at least 1 and a pattern")

    def init(key: Key) -> Variables:
        variables = dict(task.init(key))
        everything = variables.pop("params")
        _, adapted = split(everything, kernels)
        adapted = flatten_dict(adapted, sep="/")
        frozen, learned = split(everything, trained) if trained else (everything, {})
        both = adapted.keys() & flatten_dict(learned, sep="/").keys()
        if both or any(kernel.ndim < 2 for kernel in adapted.values()):
            flat = sorted(both) or [path for path, kernel in adapted.items() if kernel.ndim < 2]
            raise ValueError(f"kernels: {', '.join(flat)} must be fixed arrays of two or more axes")
        keys = jax.random.split(jax.random.fold_in(key, rank), len(adapted))
        thin = {path: _start(key, adapted[path], rank) for key, path in zip(keys, adapted, strict=True)}
        return {"params": {**learned, LORA: thin}, FROZEN: frozen, **variables}

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        value, (updated, metrics) = task.loss(merged(variables, alpha), batch, key, hypers)
        collections = {name: leaves for name, leaves in updated.items() if name != "params"}
        return value, ({**variables, **collections}, metrics)

    return Task(init, loss, lambda variables, batch: task.evaluate(merged(variables, alpha), batch))


def merged(variables: Variables, alpha: float = 1.0) -> Variables:
    """The variables of the plain model, its kernels W + (alpha / rank) A B."""
    rest = dict(variables)
    learned, frozen = dict(rest.pop("params")), flatten_dict(rest.pop(FROZEN), sep="/")
    for path, (down, up) in ((path, (thin["A"], thin["B"])) for path, thin in learned.pop(LORA).items()):
        product = (alpha / down.shape[1]) * (down @ up)
        frozen[path] = frozen[path] + product.reshape(frozen[path].shape).astype(frozen[path].dtype)
    return {**rest, "params": unflatten_dict({**frozen, **flatten_dict(learned, sep="/")}, sep="/")}


def _start(key: Key, kernel: jax.Array, rank: int) -> dict[str, Any]:
    inputs, outputs = math.prod(kernel.shape[:-1]), kernel.shape[-1]
    noise = jax.random.normal(key, (inputs, rank), kernel.dtype) / math.sqrt(inputs)
    return {"A": noise, "B": jnp.zeros((rank, outputs), kernel.dtype)}
