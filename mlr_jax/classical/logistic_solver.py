"""The minimiser of the multinomial loss with a quadratic penalty, in the principal axes of the rows.

    F(W, b) = sum_i s_i (-log p(y_i | x_i)) + ||W||² / (2 C sum_i w_i),   s_i = w_i / sum_i w_i

A turn of the axes changes neither the fit nor the penalty, and in the principal axes the Hessian is near a diagonal
matrix (a multiple of which bounds it: Boehning, 1992). Its exact diagonal, for half the price of a gradient, is where
L-BFGS starts from. Of the values of C in a vmap, each starts from the solution of the C below it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap

from mlr_jax.classical import lbfgs, multinomial
from mlr_jax.classical.rows import at_least_tiny

MEMORY = 10
"""Moves that L-BFGS remembers."""

MOST_AXES = 1024
"""Rows of more columns are not turned to their principal axes, which takes the cube of their number."""


class Problem(NamedTuple):
    """Rows z in principal axes, x = mean + axes z, with a column of ones where there is an intercept."""

    rows: multinomial.Rows
    total: jax.Array  # [], the sum of the weights
    mean: jax.Array  # [D]
    axes: jax.Array | None  # [D, D], columns; None where they are those of x


class Solution(NamedTuple):
    """Where the iteration ended."""

    theta: jax.Array  # [K, E], in principal axes
    loss: lbfgs.Evaluation  # the mean loss there
    gradient_norm: jax.Array  # [], largest entry of the gradient of F in the coordinates of x
    iterations: jax.Array  # [] int, evaluations of the gradient


def in_principal_axes(x: jax.Array, y: jax.Array, weight: jax.Array, fit_intercept: bool) -> Problem:
    """Mean and axes are a choice of coordinates: no derivative passes through them."""
    total = jnp.sum(weight)
    share = weight / at_least_tiny(total)
    mean = lax.stop_gradient(share @ x) if fit_intercept else jnp.zeros(x.shape[1], x.dtype)
    z, axes = x - mean[None], None
    if x.shape[1] <= MOST_AXES:
        _, axes = jnp.linalg.eigh(lax.stop_gradient((z * share[:, None]).T @ z))
        z = z @ axes
    return Problem(rows_with_intercept(z, y, share, fit_intercept), total, mean, axes)


def rows_with_intercept(x: jax.Array, y: jax.Array, share: jax.Array, fit_intercept: bool) -> multinomial.Rows:
    """The rows, with a column of ones where there is an intercept."""
    x = jnp.concatenate([x, jnp.ones_like(x[:, :1])], axis=1) if fit_intercept else x
    return multinomial.Rows(x, lax.stop_gradient(x**2), y, share)


def penalty_of(problem: Problem, C: jax.Array) -> jax.Array:
    """1 / (C sum_i w_i) for every coefficient and 0 for the intercept, [1, E]; without rows, anything serves."""
    num_features, width = problem.mean.shape[0], problem.rows.x.shape[1]
    strength = 1.0 / (C * jnp.where(problem.total > 0, problem.total, 1.0))
    return jnp.pad(jnp.full((1, num_features), strength), ((0, 0), (0, width - num_features)))


def solver(num_classes: int, max_iterations: int) -> Callable[..., Solution]:
    """problem, C, tolerance, theta to start from -> solution; its vmap over C (and tolerance) alone is a path."""

    def solve(problem: Problem, C: jax.Array, tolerance: jax.Array, theta: jax.Array) -> Solution:
        return search(problem, C, tolerance, lbfgs.init(theta, MEMORY))[1]

    def search(
        problem: Problem, C: jax.Array, tolerance: jax.Array, start: lbfgs.State
    ) -> tuple[lbfgs.State, Solution]:
        penalty = penalty_of(problem, C)

        def is_on(carry: tuple) -> jax.Array:
            state, norm, iterations = carry
            return ~(norm <= tolerance) & (iterations < max_iterations) & ~lbfgs.is_stuck(state)

        def iterate(carry: tuple) -> tuple:
            state, _, iterations = carry
            state = lbfgs.step(lambda theta: multinomial.evaluate(problem.rows, theta, num_classes), penalty, state)
            return state, _gradient_norm(problem, penalty, state), iterations + 1

        state, *outcome = lax.while_loop(is_on, iterate, (start, jnp.full_like(C, jnp.inf), jnp.int32(0)))
        return state, Solution(state.point, state.loss, *outcome)

    def solve_members(size: int, is_batched: tuple, *arguments: Any) -> tuple[Solution, Any]:
        problem, C, tolerance, theta = arguments
        problem_varies, C_varies, tolerance_varies, theta_varies = is_batched
        if C_varies and not any(jax.tree.leaves((problem_varies, theta_varies))):
            tolerances = tolerance if tolerance_varies else jnp.broadcast_to(tolerance, size)
            solutions = _path(search, problem, C, tolerances, theta)
        else:
            axes = jax.tree.map(lambda varies: 0 if varies else None, is_batched)
            solutions = jax.vmap(solve, axes, axis_size=size)(*arguments)
        return solutions, jax.tree.map(lambda _: True, solutions)

    solver = custom_vmap(solve)
    solver.def_vmap(solve_members)
    return solver


def _path(
    search: Callable[..., tuple[lbfgs.State, Solution]],
    problem: Problem,
    C: jax.Array,
    tolerance: jax.Array,
    theta: jax.Array,
) -> Solution:
    """Solutions for C [M], found in increasing order, each from the last two along a line in log C."""
    order = jnp.argsort(C)

    def next_member(carry: tuple, member: tuple) -> tuple[tuple, Solution]:
        state, before, log_C, log_C_before = carry
        next_log_C = jnp.log(member[0])
        ratio = jnp.nan_to_num((next_log_C - log_C) / (log_C - log_C_before), nan=0.0, posinf=0.0, neginf=0.0)
        ahead = state.point + jnp.clip(ratio, 0.0, 1.0) * (state.point - before)
        found, solution = search(problem, *member, lbfgs.move_to(ahead, state))
        return (found, state.point, next_log_C, log_C), solution

    first = jnp.log(C[order[0]])
    carry = (lbfgs.init(theta, MEMORY), theta, first, first)
    _, solutions = lax.scan(next_member, carry, (C[order], tolerance[order]))
    return jax.tree.map(lambda leaf: leaf[jnp.argsort(order)], solutions)


def _gradient_norm(problem: Problem, penalty: jax.Array, state: lbfgs.State) -> jax.Array:
    """The largest entry of the gradient in size, in the coordinates of x."""
    gradient = lbfgs.total_gradient(penalty, state.point, state.loss)
    num_features = problem.mean.shape[0]
    slopes, rest = gradient[:, :num_features], gradient[:, num_features:]
    slopes = slopes if problem.axes is None else slopes @ problem.axes.T
    slopes = slopes + jnp.sum(rest, axis=1, keepdims=True) * problem.mean[None]
    return jnp.maximum(jnp.max(jnp.abs(slopes)), jnp.max(jnp.abs(rest), initial=0.0))


def from_principal_axes(theta: jax.Array, problem: Problem) -> tuple[jax.Array, jax.Array]:
    """Coefficients [D, K] and intercept [K] in the coordinates of x; of several intercepts the mean is zero."""
    num_features = problem.mean.shape[0]
    coefficients = theta[:, :num_features].T
    coefficients = coefficients if problem.axes is None else problem.axes @ coefficients
    if theta.shape[1] == num_features:
        return coefficients, jnp.zeros(len(theta), theta.dtype)
    intercept = theta[:, -1] - problem.mean @ coefficients
    return coefficients, intercept - jnp.mean(intercept) if len(theta) > 1 else intercept


def to_principal_axes(coefficients: jax.Array, intercept: jax.Array, problem: Problem) -> jax.Array:
    """The inverse of `from_principal_axes`: theta [K, E]."""
    slopes = coefficients.T if problem.axes is None else coefficients.T @ problem.axes
    if problem.rows.x.shape[1] == slopes.shape[1]:
        return slopes
    return jnp.concatenate([slopes, (intercept + problem.mean @ coefficients)[:, None]], axis=1)
