"""Products of rows with a kernel as products of two matrices, also for the kernel's gradient."""

from typing import Any

import jax
from jax import lax


def flat_dot_general(x: jax.Array, kernel: jax.Array, dimension_numbers: Any, **options: Any) -> jax.Array:
    """x [..., D] times kernel [D, E] -> [..., E], as Linen's `Dense` asks it of `lax.dot_general`.

    The rows of x stand below one another as the rows of one matrix. On a CPU the kernel's gradient takes half as long:
    it is a sum over one axis, where XLA would first transpose x to make one axis of several.

    Raises ValueError for a product that is another one.
    """
    if dimension_numbers != (((x.ndim - 1,), (0,)), ((), ())) or kernel.ndim != 2:
        raise ValueError(f"dimension_numbers: got {dimension_numbers}, allowed are those of [..., D] times [D, E]")
    flat = lax.dot_general(x.reshape(-1, x.shape[-1]), kernel, (((1,), (0,)), ((), ())), **options)
    return flat.reshape(*x.shape[:-1], kernel.shape[1])
