"""Kernel support vector machines: a wide margin between two classes, in the feature space of a kernel.

    minimise over f, b   1/2 |f|^2 + C sum_n w_n max(0, 1 - y_n (f(x_n) + b)),   f = sum_n beta_n k(x_n, .)

solved in its dual (`dual_solver.py`). Every two of K classes get a machine of their own (`one_vs_one.py`), as in
libsvm. (Cortes & Vapnik, 1995; Chang & Lin, 2011.)
"""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical.dual_solver import Problem, Solution, extremes, solve
from mlr_jax.classical.one_vs_one import pairs_of, rows_by_class, rows_of_pair, scores, votes
from mlr_jax.classical.rows import as_features, as_rows, at_least_tiny
from mlr_jax.core.types import Estimator
from mlr_jax.ops.kernels import Kernel, gram, rbf

__all__ = ["Hypers", "KernelMachines", "decision_values", "fit", "kernel_svm", "scaled_gamma", "scores", "votes"]


class Hypers(NamedTuple):
    """What a sweep can vary: C, the price of a violated margin, and the kernel's gamma and coef0."""

    C: float = 1.0
    gamma: float = 1.0
    coef0: float = 0.0


class KernelMachines(NamedTuple):
    """P machines, one for every two classes; positive values speak for the first of the two."""

    x: jax.Array  # [N, D] less `centre`
    centre: jax.Array  # [D]
    coefficients: jax.Array  # [N, P], zero for all but the support vectors
    intercept: jax.Array  # [P]
    gamma: jax.Array  # [], as the kernel takes it
    coef0: jax.Array  # []
    gap: jax.Array  # [P], violation of the optimality conditions
    iterations: jax.Array  # [P], working sets solved
    converged: jax.Array  # [P] bool


def scaled_gamma(x: jax.Array, weight: jax.Array | None = None) -> jax.Array:
    """1 / (D var(x)), the variance being that of all entries of x [N, D], rows weighted; 1 where nothing varies: []."""
    x, _, weight = as_rows(x, weight=weight)
    total = at_least_tiny(jnp.sum(weight))
    mean = jnp.mean(weight @ x) / total
    variance = jnp.mean(weight @ jnp.square(x - mean)) / total
    return jnp.where(variance > 0, 1 / (x.shape[1] * jnp.where(variance > 0, variance, 1)), 1)


def fit(
    hypers: Hypers,
    x: jax.Array,
    y: jax.Array,
    weight: jax.Array | None = None,
    *,
    num_classes: int,
    kernel: Kernel,
    relative_gamma: bool = True,
    tolerance: float = 1e-3,
    working_set: int = 512,
    block_size: int = 1024,
    max_iterations: int = 10_000,
) -> KernelMachines:
    """Machines for x [N, D] and y [N] int in [0, K), row n priced at C weight_n.

    relative_gamma: hypers.gamma is in units of `scaled_gamma`, else taken as it is
    tolerance: of the margins of support vectors, see `dual_solver.solve`
    working_set, block_size: rows and columns of the kernel matrix that are held at a time

    A machine with rows of one class only says 1 for it everywhere, and one without rows says 0. Raises ValueError for
    num_classes < 2, working_set < 4, block_size < 1 and max_iterations < 1.
    """
    _check(num_classes=(num_classes, 2), working_set=(working_set, 4), block_size=(block_size, 1),
           max_iterations=(max_iterations, 1))  # fmt: skip
    x, y, weight = as_rows(x, y, weight)
    C, gamma, coef0 = (jnp.asarray(hyper, x.dtype) for hyper in hypers)
    if relative_gamma:
        gamma = gamma * scaled_gamma(x, weight)
    centre = jnp.zeros_like(x[0])
    if kernel.shift_invariant:
        centre = weight @ x / at_least_tiny(jnp.sum(weight))
    x = x - centre[None]
    sorted_rows = rows_by_class(y, weight, num_classes)
    # Two classes of about equal size fit into one working set, if it may be so large: one iteration solves them.
    working_set = min(working_set, max(4, math.ceil(2.2 * x.shape[0] / num_classes)))

    def fit_pair(pair: jax.Array) -> tuple[jax.Array, ...]:
        rows, label = rows_of_pair(sorted_rows, pair)
        label = label.astype(x.dtype)
        bound = label * C * weight[rows]
        problem = Problem(x[rows], label, jnp.minimum(bound, 0), jnp.maximum(bound, 0), jnp.sum(label != 0))
        solution = solve(
            partial(gram, kernel, gamma=gamma, coef0=coef0), problem, tolerance,
            working_set=working_set, block_size=block_size, max_iterations=max_iterations,
        )  # fmt: skip
        place = jnp.where(label != 0, rows, x.shape[0])  # rows that take no part are dropped behind the end
        coefficients = jnp.zeros_like(weight).at[place].set(solution.coefficients, mode="drop")
        return coefficients, _intercept(problem, solution), solution.gap, solution.iterations

    # One after another: each stops when it is done, and only one holds a block of the kernel matrix.
    coefficients, intercept, gap, iterations = lax.map(fit_pair, pairs_of(num_classes))
    return KernelMachines(x, centre, coefficients.T, intercept, gamma, coef0, gap, iterations, gap <= tolerance)


def _intercept(problem: Problem, solution: Solution) -> jax.Array:
    """The mean residual of the coefficients inside their box; where there is none, the middle of what is optimal."""
    beta, residual = solution.coefficients, solution.residual
    is_free = (beta > problem.lower) & (beta < problem.upper)
    mean = jnp.sum(jnp.where(is_free, residual, 0)) / jnp.maximum(jnp.sum(is_free), 1)
    ends = jnp.stack(extremes(problem, beta, residual))
    is_finite = jnp.isfinite(ends)
    middle = jnp.sum(jnp.where(is_finite, ends, 0)) / jnp.maximum(jnp.sum(is_finite), 1)
    return jnp.where(jnp.any(is_free), mean, middle)


def decision_values(model: KernelMachines, x: jax.Array, *, kernel: Kernel, block_size: int = 1024) -> jax.Array:
    """f(x) + b of each machine: x [N, D], returns [N, P].

    At most block_size x block_size kernel values are held at a time. Differentiable in x.
    """
    queries = as_features(x).astype(model.x.dtype) - model.centre[None]
    support = _blocks(model.x, block_size), _blocks(model.coefficients, block_size)

    def of_queries(queries: jax.Array) -> jax.Array:
        @jax.checkpoint
        def add(values: jax.Array, block: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
            x, coefficients = block
            return values + gram(kernel, queries, x, model.gamma, model.coef0) @ coefficients, None

        start = jnp.broadcast_to(model.intercept[None], (queries.shape[0], model.intercept.shape[0]))
        return lax.scan(add, start, support)[0]

    values = lax.map(of_queries, _blocks(queries, block_size))
    return values.reshape(-1, model.intercept.shape[0])[: queries.shape[0]]


def kernel_svm(*, num_classes: int, kernel: Kernel | None = None, block_size: int = 1024, **settings: Any) -> Estimator:
    """The estimator; `predict` returns `scores` [N, K]. The kernel is `rbf()` unless given; settings: see `fit`.

    There is no learner of it: its state would be a coefficient and a residual for each row of one fixed set, and a
    step needs kernel values between rows of all devices. Sweep it by vmapping `fit` over hypers or weights.
    """
    kernel = rbf() if kernel is None else kernel

    def fit_rows(key: Any, hypers: Hypers, x: jax.Array, y: jax.Array, weight: Any = None) -> KernelMachines:
        return fit(hypers, x, y, weight, num_classes=num_classes, kernel=kernel, block_size=block_size, **settings)

    def predict(model: KernelMachines, x: jax.Array) -> jax.Array:
        return scores(decision_values(model, x, kernel=kernel, block_size=block_size), num_classes)

    return Estimator(fit_rows, predict)


def _blocks(rows: jax.Array, block_size: int) -> jax.Array:
    """rows [N, ...] as the fewest blocks of equal length up to block_size, filled up with zeros."""
    num_blocks = math.ceil(rows.shape[0] / block_size)
    padding = [(0, -rows.shape[0] % num_blocks)] + [(0, 0)] * (rows.ndim - 1)
    return jnp.pad(rows, padding).reshape(num_blocks, -1, *rows.shape[1:])


def _check(**counts: tuple[int, int]) -> None:
    for name, (value, least) in counts.items():
        if value < least:
            raise ValueError(f"{name}: got {value}, at least {least} is needed")
