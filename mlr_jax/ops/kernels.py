"""Kernels: inner products of examples in a feature space that is never built.

Each kernel here is a function of the plain products x . z, x . x and z . z, so that one matrix product gives a whole
block of its values. (Schoelkopf & Smola, 2002.)
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp

Number = jax.Array | float


class Kernel(NamedTuple):
    """k(x, z) as a function of products.

    value:           x . z, x . x, z . z, gamma [], coef0 [] -> k(x, z), for arrays of products of one shape
    shift_invariant: whether k(x + c, z + c) = k(x, z). Data is then centred first, which keeps digits of x - z.
    """

    value: Callable[[jax.Array, jax.Array, jax.Array, Number, Number], jax.Array]
    shift_invariant: bool


def gram(kernel: Kernel, x: jax.Array, z: jax.Array, gamma: Number = 1.0, coef0: Number = 0.0) -> jax.Array:
    """k(x_n, z_m) for every pair: x [N, D], z [M, D], returns [N, M]."""
    products = x @ z.T
    shape = products.shape
    x_square = jnp.broadcast_to(jnp.sum(jnp.square(x), axis=1)[:, None], shape)
    z_square = jnp.broadcast_to(jnp.sum(jnp.square(z), axis=1)[None], shape)
    return kernel.value(products, x_square, z_square, gamma, coef0)


def linear() -> Kernel:
    """k(x, z) = x . z."""
    return Kernel(_linear, shift_invariant=False)


def rbf() -> Kernel:
    """k(x, z) = exp(-gamma |x - z|^2), with gamma > 0 in units of 1 / x^2."""
    return Kernel(_rbf, shift_invariant=True)


@cache  # one and the same function for the same degree: programs are compiled for it
def polynomial(degree: int = 3) -> Kernel:
    """k(x, z) = (gamma x . z + coef0)^degree. Raises ValueError for a degree below 1."""
    if degree < 1:
        raise ValueError(f"degree: got {degree}, at least 1 is needed")
    return Kernel(lambda xz, xx, zz, gamma, coef0: (gamma * xz + coef0) ** degree, shift_invariant=False)


def _linear(xz: jax.Array, xx: jax.Array, zz: jax.Array, gamma: Number, coef0: Number) -> jax.Array:
    return xz


def _rbf(xz: jax.Array, xx: jax.Array, zz: jax.Array, gamma: Number, coef0: Number) -> jax.Array:
    return jnp.exp(-gamma * jnp.maximum(xx + zz - 2 * xz, 0))
