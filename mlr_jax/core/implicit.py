"""Derivatives of a minimiser that know nothing of the iterations that found it.

At the minimiser x*(p) of F(x, p) the gradient g(x, p) = dF/dx is zero whatever the parameters p are. Differentiating
g(x*(p), p) = 0 gives one linear system with the Hessian H = dg/dx, which is symmetric and never formed:

    H dx* = - dg/dp dp

(the implicit function theorem; for algorithms of machine learning: Bengio, 2000; Blondel et al., 2022).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.sparse.linalg import cg as conjugate_gradients

Vector = jax.Array
"""An array of any shape, taken as one vector."""


def implicit_minimum(
    gradient: Callable[[Vector], Vector],
    minimum: Vector,
    precondition: Callable[[Vector], Vector] | None = None,
    *,
    max_iterations: int = 1000,
) -> Vector:
    """`minimum`, with the derivatives that its being a root of `gradient` gives it.

    gradient: x -> dF/dx, of the shape of x; the parameters are those arrays that it closes over. Where some of x is
    held fixed, as zeros of the lasso are, its entries there are x itself.
    minimum: where the gradient is zero, found in any way: it is not differentiated.
    precondition: multiplies by a symmetric approximation of the inverse Hessian. The system is solved by
    conjugate gradients (Hestenes and Stiefel, 1952), to the residual that the dtype allows, eps^(2/3), or as far as
    `max_iterations` products with the Hessian reach. Where the Hessian is singular the least solution is found.

    Forward and reverse mode, and vmap, all work.
    """

    def solve(hessian: Callable[[Vector], Vector], right_side: Vector) -> Vector:
        tolerance = float(jnp.finfo(right_side.dtype).eps) ** (2 / 3)
        return conjugate_gradients(hessian, right_side, tol=tolerance, maxiter=max_iterations, M=precondition)[0]

    def tangent_solve(hessian: Callable[[Vector], Vector], right_side: Vector) -> Vector:
        # `cg` alone is not transposed inside of `custom_root`.
        return lax.custom_linear_solve(hessian, right_side, solve, symmetric=True)

    return lax.custom_root(gradient, lax.stop_gradient(minimum), lambda _, guess: guess, tangent_solve)
