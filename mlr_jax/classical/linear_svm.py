"""Linear support vector machines with the squared hinge loss, by Newton's method on the primal.

    minimise over w, b   1/2 |w|^2 + 1/2 (b / s)^2 + C sum_n w_n max(0, 1 - y_n (x_n . w + b))^2

The objective is one quadratic for each set of rows inside the margin, so Newton's method ends after finitely many
steps: each solves the least squares problem of the rows that are inside now (Mangasarian, 2002; Keerthi & DeCoste,
2005). Of K > 2 classes each is told from the rest. As in LIBLINEAR (Fan et al., 2008) the intercept is penalised too,
as the weight of a column of constants s; s = infinity leaves it free. For the plain hinge loss see `kernel_svm.py` with
a linear kernel.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import cho_factor, cho_solve

from mlr_jax.classical.row_blocks import sum_over_blocks
from mlr_jax.classical.rows import as_features, as_rows, rows_of
from mlr_jax.core.collectives import data_sum
from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.implicit import implicit_minimum
from mlr_jax.core.types import Batch, Estimator, Key, Learner, Metrics

BISECTIONS = 20
"""Halvings of the bracket of a step's length."""

BLOCK = 1024
"""Rows that are weighted at a time for the Hessian."""


class Hypers(NamedTuple):
    """What a sweep can vary: C, the price of violated margins, and the intercept scaling s."""

    C: float = 1.0
    intercept_scaling: float = 1.0


class LinearMachines(NamedTuple):
    """M machines: for two classes one, positive for class 1; for K > 2 classes K, each positive for its own."""

    coefficients: jax.Array  # [D, M]
    intercept: jax.Array  # [M]
    iterations: jax.Array  # [M]
    converged: jax.Array  # [M] bool


def fit(
    hypers: Hypers,
    x: jax.Array,
    y: jax.Array,
    weight: jax.Array | None = None,
    *,
    num_classes: int,
    tolerance: float = 1e-10,
    max_iterations: int = 100,
) -> LinearMachines:
    """Machines for x [N, D] and y [N] int in [0, K), row n priced at C weight_n.

    Newton steps until one promises to lower the objective by no more than `tolerance` times itself (or by what the
    dtype can tell); that one is taken still. Differentiable in hypers, x and weight, by the implicit function theorem.
    Raises ValueError for num_classes < 2 and max_iterations < 1.
    """
    _check(num_classes, max_iterations)
    x, y, weight = as_rows(x, y, weight)
    problem = _problem(hypers, x, weight)
    tolerance = max(tolerance, float(jnp.finfo(x.dtype).eps))

    def fit_one(target: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        frozen = lax.stop_gradient(problem)

        def is_unfinished(carry: tuple[jax.Array, _Progress]) -> jax.Array:
            iterations, progress = carry
            return (progress.promise > tolerance) & (iterations < max_iterations)

        def iterate(carry: tuple[jax.Array, _Progress]) -> tuple[jax.Array, _Progress]:
            iterations, progress = carry
            return iterations + 1, _newton_step(frozen, target, progress.v)

        start = _Progress(jnp.zeros_like(frozen.penalty[0]), *jnp.full(2, jnp.inf, x.dtype))
        iterations, end = lax.while_loop(is_unfinished, iterate, (jnp.int32(0), start))
        v = implicit_minimum(lambda v: _slope(problem, target, v, _shortfall(problem, target, v)), end.v)
        return v, iterations, end.promise <= tolerance

    v, iterations, converged = lax.map(fit_one, _targets(y, num_classes, x.dtype))
    return LinearMachines(*_from_centred(problem, v), iterations, converged)


def decision_values(model: LinearMachines, x: jax.Array) -> jax.Array:
    """x . w + b of each machine: x [N, D], returns [N, M]."""
    return as_features(x).astype(model.intercept.dtype) @ model.coefficients + model.intercept[None]


def predict(model: LinearMachines, x: jax.Array) -> jax.Array:
    """A score for each class, [N, K], of which the greatest names it; of two classes -value and value."""
    values = decision_values(model, x)
    return jnp.concatenate([-values, values], axis=1) if values.shape[1] == 1 else values


def linear_svm(*, num_classes: int, tolerance: float = 1e-10, max_iterations: int = 100) -> Estimator:
    """The estimator; `predict` returns scores [N, K]."""
    _check(num_classes, max_iterations)

    def fit_rows(key: Any, hypers: Hypers, x: jax.Array, y: jax.Array, weight: Any = None) -> LinearMachines:
        return fit(hypers, x, y, weight, num_classes=num_classes, tolerance=tolerance, max_iterations=max_iterations)

    return Estimator(fit_rows, predict)


class State(NamedTuple):
    """The machines so far: coefficients [D, M] and intercepts [M]."""

    key: Key
    hypers: Hypers
    coefficients: jax.Array
    intercept: jax.Array


def linear_svm_learner(*, num_features: int, num_classes: int) -> Learner:
    """A learner of the whole set: every step is one Newton step on all rows, so each gets the same batch.

    Batches hold x [B, D], y [B] int in [0, K), and may hold weight and mask, [B]. Training metrics: the objective
    before the step, and the share of it by which the step promised to lower it, the greatest over machines.
    Evaluation: loss (the squared hinge, summed over machines) and accuracy of each row.
    """
    _check(num_classes, 1)

    def init(key: Key, hypers: Hypers) -> State:
        machines = len(_targets(jnp.zeros(1, jnp.int32), num_classes, jnp.float32))
        return State(key, as_arrays(hypers), jnp.zeros((num_features, machines)), jnp.zeros(machines))

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        x, y, weight = rows_of(batch)
        problem = _problem(state.hypers, x, weight)
        v = jnp.concatenate([state.coefficients, (state.intercept + problem.mean @ state.coefficients)[None]]).T
        progress = jax.vmap(lambda target, v: _newton_step(problem, target, v))(_targets(y, num_classes, x.dtype), v)
        coefficients, intercept = _from_centred(problem, progress.v)
        metrics = {"objective": jnp.sum(progress.objective), "promise": jnp.max(progress.promise)}
        return state._replace(coefficients=coefficients, intercept=intercept), metrics

    def evaluate(state: State, batch: Batch) -> Metrics:
        x, y, _ = rows_of(batch)
        model = LinearMachines(state.coefficients, state.intercept, jnp.int32(0), jnp.bool_(False))
        target = _targets(y, num_classes, x.dtype).T
        loss = jnp.sum(jnp.square(jnp.maximum(1 - target * decision_values(model, x), 0)), axis=1)
        return {"loss": loss, "accuracy": (jnp.argmax(predict(model, x), axis=1) == y).astype(x.dtype)}

    return Learner(init, step, evaluate)


class _Problem(NamedTuple):
    """Rows around their mean, and a column of ones: in these coordinates b becomes v_D = b + mean . w."""

    columns: jax.Array  # [N, D + 1]
    price: jax.Array  # [N], C times the weight
    penalty: jax.Array  # [D + 1, D + 1], of 1/2 v' penalty v
    mean: jax.Array  # [D]


class _Progress(NamedTuple):
    """A point after a Newton step, and what was known at the point before."""

    v: jax.Array  # [D + 1]
    objective: jax.Array  # []
    promise: jax.Array  # [], the share of the objective by which the whole step lowers the quadratic


def _problem(hypers: Hypers, x: jax.Array, weight: jax.Array) -> _Problem:
    C, scaling = (jnp.asarray(hyper, x.dtype) for hyper in hypers)
    total, mean = data_sum((jnp.sum(weight), weight @ x))
    mean = mean / jnp.where(total > 0, total, 1)
    columns = jnp.pad(x - mean[None], ((0, 0), (0, 1)), constant_values=1)
    intercept = jnp.append(-mean, 1) / scaling  # b / s = intercept . v
    penalty = jnp.diag(jnp.append(jnp.ones_like(mean), 0)) + jnp.outer(intercept, intercept)
    return _Problem(columns, C * weight, penalty, mean)


def _from_centred(problem: _Problem, v: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Coefficients [D, M] and intercepts [M] of v [M, D + 1]."""
    coefficients = v[:, :-1].T
    return coefficients, v[:, -1] - problem.mean @ coefficients


def _targets(y: jax.Array, num_classes: int, dtype: jnp.dtype) -> jax.Array:
    """+1 for the class of a machine and -1 for the rest: [M, N]."""
    classes = jnp.arange(num_classes) if num_classes > 2 else jnp.array([1])
    return jnp.where(y[None] == classes[:, None], 1, -1).astype(dtype)


def _shortfall(problem: _Problem, target: jax.Array, v: jax.Array) -> jax.Array:
    """1 - y_n f_n: [N], positive inside the margin."""
    return 1 - target * (problem.columns @ v)


def _slope(problem: _Problem, target: jax.Array, v: jax.Array, shortfall: jax.Array) -> jax.Array:
    """The gradient, penalty v - 2 sum_n price_n y_n max(0, shortfall_n) (x_n, 1): [D + 1]."""
    pull = data_sum((problem.price * target * jnp.maximum(shortfall, 0)) @ problem.columns)
    return problem.penalty @ v - 2 * pull


def _newton_step(problem: _Problem, target: jax.Array, v: jax.Array) -> _Progress:
    """The best point on the way from v to the minimum of the quadratic that the objective is around v."""
    shortfall = _shortfall(problem, target, v)
    slope = _slope(problem, target, v, shortfall)
    inside = 2 * problem.price * (shortfall > 0)
    curvature = sum_over_blocks(lambda rows, c: (c[:, None] * rows).T @ rows, (problem.columns, inside), BLOCK)
    hessian = problem.penalty + data_sum(curvature)
    ridge = jnp.finfo(v.dtype).eps * jnp.trace(hessian) / v.shape[0]  # a free intercept without rows has no curvature
    direction = -cho_solve(cho_factor(hessian + ridge * jnp.eye(v.shape[0], dtype=v.dtype)), slope)
    length = _step_length(problem, target, v, direction, shortfall)
    loss = data_sum(problem.price @ jnp.square(jnp.maximum(shortfall, 0)))
    objective = loss + v @ problem.penalty @ v / 2
    promise = -(slope @ direction) / 2 / jnp.where(objective > 0, objective, 1)
    return _Progress(v + length * direction, objective, promise)


def _step_length(
    problem: _Problem, target: jax.Array, v: jax.Array, direction: jax.Array, shortfall: jax.Array
) -> jax.Array:
    """The t in (0, 1] at which the objective of v + t direction is least, by bisection for the zero of its slope."""
    change = target * (problem.columns @ direction)
    flat, bend = direction @ problem.penalty @ v, direction @ problem.penalty @ direction

    def halve(_: jax.Array, bracket: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bracket
        middle = (low + high) / 2
        pull = data_sum(jnp.sum(problem.price * change * jnp.maximum(shortfall - middle * change, 0)))
        falls = flat + middle * bend - 2 * pull < 0
        return jnp.where(falls, middle, low), jnp.where(falls, high, middle)

    return lax.fori_loop(0, BISECTIONS, halve, (jnp.zeros_like(flat), jnp.ones_like(flat)))[1]


def _check(num_classes: int, max_iterations: int) -> None:
    if num_classes < 2:
        raise ValueError(f"num_classes: got {num_classes}, at least 2 are needed")
    if max_iterations < 1:
        raise ValueError(f"max_iterations: got {max_iterations}, at least 1 is needed")
