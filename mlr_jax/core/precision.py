"""Mixed precision: compute in 16 bits, keep parameters, optimizer and reductions in 32."""

from typing import Any

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Batch, Hypers, Key, Task, Variables


def mixed_precision(task: Task, dtype: jnp.dtype = jnp.bfloat16) -> Task:
    """The same task with its forward and backward pass in `dtype` (Micikevicius et al., 2018).

    Parameters and floating inputs are cast on entry; the cast is part of the differentiated program, so gradients
    arrive in the parameters' own float32. Losses and batch statistics, which reduce, are float32 in every module of
    this package; updated collections and metrics return in the dtype that they had.
    """

    def cast(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, tree)

    def cast_batch(batch: Batch) -> Batch:
        if isinstance(batch, dict) and "mask" in batch:  # a sum of 16-bit ones stops counting at 256
            return {**cast(batch), "mask": batch["mask"]}
        return cast(batch)

    def loss(variables: Variables, batch: Batch, key: Key, hypers: Hypers):
        half = {**variables, "params": cast(variables["params"])}
        value, (updated, metrics) = task.loss(half, cast_batch(batch), key, hypers)
        kept = {name: collection for name, collection in updated.items() if name in variables and name != "params"}
        same = {
            name: jax.tree.map(lambda new, old: new.astype(old.dtype), collection, variables[name])
            for name, collection in kept.items()
        }
        return value.astype(jnp.float32), ({**variables, **same}, metrics)

    def evaluate(variables: Variables, batch: Batch):
        return task.evaluate({**variables, "params": cast(variables["params"])}, cast_batch(batch))

    return Task(task.init, loss, evaluate)
