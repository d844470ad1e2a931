"""Gradient accumulation: a batch too large for the device, taken in k smaller ones with the same result."""

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.core import collectives
from mlr_jax.core.gradient import Gradient
from mlr_jax.core.types import Batch, Hypers, Key, Variables


def accumulate(gradient: Gradient, k: int) -> Gradient:
    """The gradient over a batch of B rows, computed over k microbatches of B / k rows one after another.

    g = sum_i (n_i / n) g_i, with n_i the real rows of microbatch i: equal to the gradient of the full batch, padding
    included, for every loss that is a mean over rows. (Batch statistics are those of each microbatch in turn.)

    Raises ValueError where k is not positive or does not divide the rows.
    """
    if k < 1:
        raise ValueError(f"accumulate k: got {k}, must be at least 1")

    def accumulated(variables: Variables, batch: Batch, key: Key, hypers: Hypers):
        rows = jax.tree.leaves(batch)[0].shape[0]
        if rows % k:
            raise ValueError(f"accumulate k: got {k}, must divide the {rows} rows of the batch")
        params = variables["params"]
        collections = {name: value for name, value in variables.items() if name != "params"}
        microbatches = jax.tree.map(lambda leaf: leaf.reshape(k, rows // k, *leaf.shape[1:]), batch)
        total = jnp.maximum(collectives.data_sum(collectives.num_rows(batch)), 1.0)

        def add_one(carry, numbered):
            sums, collections = carry
            index, microbatch = numbered
            gradients, (collections, metrics) = gradient(
                {"params": params, **collections}, microbatch, jax.random.fold_in(key, index), hypers
            )
            weight = collectives.data_sum(collectives.num_rows(microbatch)) / total
            sums = jax.tree.map(lambda total, part: total + weight * part, sums, (gradients, metrics))
            return (sums, collections), None

        first = jax.tree.map(lambda leaf: leaf[0], microbatches)
        shapes, (_, metric_shapes) = jax.eval_shape(gradient, variables, first, key, hypers)
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), (shapes, metric_shapes))
        ((gradients, metrics), collections), _ = lax.scan(add_one, (zeros, collections), (jnp.arange(k), microbatches))
        return gradients, (collections, metrics)

    return accumulated
