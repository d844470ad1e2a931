"""The dual problem of kernel machines by decomposition: small working sets instead of the whole kernel matrix.

    minimise over b   1/2 b' K b - y' b   subject to   lower <= b <= upper   and   sum_n b_n = 0

With labels y of -1 and +1, lower = min(0, C y) and upper = max(0, C y) this is the dual of the support vector
classifier (Boser, Guyon & Vapnik, 1992), b_n = alpha_n y_n. Its residual r = y - K b tells everything: b is optimal
where no r of a coefficient that may rise is greater than an r of one that may fall. The r of coefficients that may do
both then all equal the intercept.

The working set takes in the rows that violate this most and keeps those that came in one round before, without
which every round undoes work of the last (Joachims, 1999; Wen et al., 2018). Inside it pairs of coefficients move
against each other (SMO: Platt, 1998; the choice of the pair: Fan, Chen & Lin, 2005).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.ops.selection import greatest

Gram = Callable[[jax.Array, jax.Array], jax.Array]
"""Kernel values of every pair: x [N, D], z [M, D] -> [N, M]."""

ROUNDING = 16
"""Residuals cannot be told apart by less than this many times the precision of the greatest."""

STEPS_PER_ROW = 100
"""A working set of M rows is left after this many times M steps at the latest."""


class Problem(NamedTuple):
    """The rows, their targets and the box. From row `num_rows` on lower = upper = 0: such rows take no part."""

    x: jax.Array  # [N, D]
    target: jax.Array  # [N]
    lower: jax.Array  # [N]
    upper: jax.Array  # [N]
    num_rows: jax.Array  # [] int


class Solution(NamedTuple):
    """The coefficients, and how far from optimal they are."""

    coefficients: jax.Array  # [N]
    residual: jax.Array  # [N], target - K coefficients, in the first num_rows rows
    gap: jax.Array  # [], greatest r that may rise less the least that may fall; at most 0 is optimal
    iterations: jax.Array  # [], working sets solved


class _State(NamedTuple):
    solution: Solution
    recent: jax.Array  # rows that came into the last working set
    moving: jax.Array  # [] bool, whether the last working set changed anything


def solve(
    gram: Gram,
    problem: Problem,
    tolerance: jax.typing.ArrayLike,
    *,
    working_set: int = 512,
    block_size: int = 1024,
    max_iterations: int = 10_000,
) -> Solution:
    """Iterate until the gap is at most `tolerance` (the criterion of libsvm: Chang & Lin, 2011).

    At any time `working_set` x max(block_size, working_set) kernel values are held, and never N x N; a problem of up
    to twice `working_set` rows is one working set. It also ends where the digits of the dtype allow no further step,
    and after `max_iterations` working sets: the gap tells.
    """
    size = problem.x.shape[0]
    block = math.ceil(size / math.ceil(size / block_size))
    problem = _fill_up(problem, -size % block)
    working_set = size if size <= 2 * working_set else working_set
    whole = problem.num_rows <= working_set  # then one working set is the whole problem

    def reachable(solution: Solution) -> jax.Array:
        rounding = ROUNDING * jnp.finfo(problem.x.dtype).eps * jnp.max(jnp.abs(solution.residual))
        return jnp.maximum(tolerance, rounding)

    def unfinished(state: _State) -> jax.Array:
        solution = state.solution
        return (solution.gap > reachable(solution)) & state.moving & (solution.iterations < max_iterations)

    def improve(state: _State) -> _State:
        old, residual, gap, iterations = state.solution
        rows, recent = _working_rows(problem, state, working_set)
        rows = jnp.where(whole, jnp.arange(working_set, dtype=jnp.int32), rows)
        x = problem.x[rows]
        kernel = gram(x, x)
        target_gap = reachable(state.solution)
        goal = jnp.where(whole, 0.9 * target_gap, jnp.maximum(target_gap / 2, gap / 10))
        inner = _minimise_pairwise(
            kernel, old[rows], residual[rows], lower=problem.lower[rows], upper=problem.upper[rows], tolerance=goal
        )
        change = inner - old[rows]
        num_blocks = jnp.where(whole, 0, (problem.num_rows + block - 1) // block)
        updated = _subtract_product(gram, residual, problem.x, x=x, change=change, num_blocks=num_blocks, block=block)
        residual = jnp.where(whole, residual.at[rows].add(-kernel @ change), updated)
        new = old.at[rows].set(inner)
        solution = Solution(new, residual, _gap(problem, new, residual), iterations + 1)
        return _State(solution, recent, jnp.any(change != 0))

    nothing = jnp.zeros_like(problem.target)
    start = Solution(nothing, problem.target, _gap(problem, nothing, problem.target), jnp.int32(0))
    recent = jnp.arange(working_set // 2, dtype=jnp.int32)
    end = lax.while_loop(unfinished, improve, _State(start, recent, jnp.bool_(True))).solution
    return end._replace(coefficients=end.coefficients[:size], residual=end.residual[:size])


def extremes(problem: Problem, coefficients: jax.Array, residual: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The greatest residual that may rise and the least that may fall, both []; -inf and inf where there is none."""
    rising, falling = _movable(problem.lower, problem.upper, coefficients, residual)
    return jnp.max(rising), jnp.min(falling)


def _gap(problem: Problem, coefficients: jax.Array, residual: jax.Array) -> jax.Array:
    greatest_rising, least_falling = extremes(problem, coefficients, residual)
    return greatest_rising - least_falling


def _movable(
    lower: jax.Array, upper: jax.Array, coefficients: jax.Array, residual: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Residuals of the coefficients that may rise, else -inf, and of those that may fall, else inf."""
    rising = jnp.where(coefficients < upper, residual, -jnp.inf)
    return rising, jnp.where(coefficients > lower, residual, jnp.inf)


def _working_rows(problem: Problem, state: _State, working_set: int) -> tuple[jax.Array, jax.Array]:
    """Distinct rows [working_set], and those among them that are to stay for the next round."""
    solution, recent = state.solution, state.recent
    num_fresh = working_set - recent.shape[0]
    rising, falling = _movable(problem.lower, problem.upper, solution.coefficients, solution.residual)
    middle = (jnp.max(rising) + jnp.min(falling)) / 2
    # Ranks need few digits once the middle is subtracted, and only of float32 is `top_k` more than a whole sort.
    least = jnp.finfo(jnp.float32).min
    rising = jnp.maximum((rising - middle).astype(jnp.float32), least).at[recent].set(-jnp.inf)
    _, most = lax.top_k(rising, num_fresh // 2)
    falling = jnp.maximum((middle - falling).astype(jnp.float32), least).at[recent].set(-jnp.inf)
    _, fewest = lax.top_k(falling.at[most].set(-jnp.inf), num_fresh - num_fresh // 2)
    fresh = jnp.concatenate([most, fewest])
    return jnp.concatenate([fresh, recent]), fresh[: recent.shape[0]]


def _minimise_pairwise(
    kernel: jax.Array,
    start: jax.Array,
    residual: jax.Array,
    *,
    lower: jax.Array,
    upper: jax.Array,
    tolerance: jax.Array,
) -> jax.Array:
    """The coefficients [M] of a small problem, to a gap of `tolerance`: kernel [M, M], the rest [M].

    Each step moves the pair i, j by the same amount up and down: i has the greatest residual that may rise, and j
    promises the greatest decrease (r_i - r_j)^2 / (2 |phi_i - phi_j|^2) of those that may fall.
    """
    size, diagonal = start.shape[0], jnp.diagonal(kernel)
    places = jnp.arange(size, dtype=jnp.int32)
    precision = jnp.finfo(kernel.dtype)

    def unfinished(state):
        _, _, gap, steps = state
        return (gap > tolerance) & (steps < STEPS_PER_ROW * size)

    def move_pair(state):
        beta, residual, _, steps = state
        rising, falling = _movable(lower, upper, beta, residual)
        r_i, i = greatest(rising)
        scale = diagonal[i] + diagonal
        distance = jnp.maximum(scale - 2 * kernel[i], precision.eps * scale + precision.tiny)
        slope = jnp.maximum(r_i - falling, 0)
        _, j = greatest(slope * (slope / distance))
        room_i, room_j = upper[i] - beta[i], beta[j] - lower[j]
        gap = r_i - jnp.min(falling)
        step = jnp.minimum(slope[j] / distance[j], jnp.minimum(room_i, room_j))
        step = jnp.where(gap > tolerance, step, 0)
        beta_i = jnp.where(step < room_i, beta[i] + step, upper[i])  # at a bound exactly, or it would not be seen
        beta_j = jnp.where(step < room_j, beta[j] - step, lower[j])
        beta = jnp.where(places == i, beta_i, jnp.where(places == j, beta_j, beta))
        residual = residual - step * (kernel[i] - kernel[j])
        return beta, residual, gap, steps + 1

    state = start, residual, jnp.array(jnp.inf, start.dtype), jnp.int32(0)
    return lax.while_loop(unfinished, move_pair, state)[0]


def _subtract_product(
    gram: Gram,
    residual: jax.Array,
    rows: jax.Array,
    *,
    x: jax.Array,
    change: jax.Array,
    num_blocks: jax.Array,
    block: int,
) -> jax.Array:
    """residual - K change, where K [N, M] is made and used block by block, for the first blocks of rows [N, D]."""

    def subtract(index: jax.Array, residual: jax.Array) -> jax.Array:
        start = index * block
        product = gram(lax.dynamic_slice_in_dim(rows, start, block), x) @ change
        part = lax.dynamic_slice_in_dim(residual, start, block) - product
        return lax.dynamic_update_slice_in_dim(residual, part, start, axis=0)

    return lax.fori_loop(0, num_blocks, subtract, residual)


def _fill_up(problem: Problem, padding: int) -> Problem:
    """Rows that take no part behind the others."""
    return Problem(
        x=jnp.pad(problem.x, ((0, padding), (0, 0))),
        target=jnp.pad(problem.target, (0, padding)),
        lower=jnp.pad(problem.lower, (0, padding)),
        upper=jnp.pad(problem.upper, (0, padding)),
        num_rows=problem.num_rows,
    )
