"""Logistic regression, binary and multinomial, with a quadratic penalty (Cox, 1958; McFadden, 1974).

    p(y = k | x) = softmax(W' x + b)_k,   minimise over W, b   C sum_i w_i (-log p(y_i | x_i)) + 1/2 ||W||²

Two classes need one logit, that of class 1; the other is zero. The intercept b is not penalised. How the minimiser is
found stands in `logistic_solver.py`; the learner takes the same iterations in the coordinates of x, one a step.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical import lbfgs, multinomial
from mlr_jax.classical.logistic_solver import (
    MEMORY,
    Solution,
    from_principal_axes,
    in_principal_axes,
    penalty_of,
    rows_with_intercept,
    solver,
    to_principal_axes,
)
from mlr_jax.classical.rows import as_features, as_rows, at_least_tiny, rows_of
from mlr_jax.core.collectives import data_sum
from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.implicit import implicit_minimum
from mlr_jax.core.types import Batch, Estimator, Key, Learner, Metrics


class Hypers(NamedTuple):
    """What a sweep can vary.

    C: weight of the losses beside the penalty. tolerance: the iteration ends where no entry of the gradient of the
    objective, divided by C sum_i w_i, is larger.
    """

    C: float = 1.0
    tolerance: float = 1e-4


class LogisticModel(NamedTuple):
    """The logits x W + b (of two classes, the one of class 1), and how they were found."""

    coefficients: jax.Array  # [D, K], for two classes [D, 1]
    intercept: jax.Array  # [K], for two classes [1]; of K it has mean zero
    objective: jax.Array  # [], divided by C sum_i w_i
    gradient_norm: jax.Array  # [], what the tolerance is compared with
    iterations: jax.Array  # [] int, evaluations of the gradient
    converged: jax.Array  # [] bool


def fit(
    hypers: Hypers,
    x: jax.Array,
    y: jax.Array,
    weight: jax.Array | None = None,
    *,
    num_classes: int,
    fit_intercept: bool = True,
    max_iterations: int = 1000,
    initial: LogisticModel | None = None,
) -> LogisticModel:
    """The minimiser for x [N, D], y [N] int in [0, num_classes) and weight [N], from `initial` or from zero.

    Differentiable in C, x and weight: the minimiser is, whatever led to it. A vmap over C fits its members one after
    another in the order of C, each from where the one before points to, with what that one learnt about the Hessian: a
    path of 32 values takes a third to a fifth of the iterations. Raises ValueError for fewer than two classes.
    """
    _check(num_classes, max_iterations)
    x, y, weight = as_rows(x, y, weight)
    C, tolerance = (jnp.asarray(hyper, x.dtype) for hyper in hypers)
    problem = in_principal_axes(x, y, weight, fit_intercept)
    if initial is None:
        start = jnp.zeros((_num_logits(num_classes), problem.rows.x.shape[1]), x.dtype)
    else:
        start = to_principal_axes(initial.coefficients, initial.intercept, problem)
    penalty = penalty_of(problem, C)
    solution: Solution = solver(num_classes, max_iterations)(*lax.stop_gradient((problem, C, tolerance, start)))

    metric = lax.stop_gradient(lbfgs.metric(penalty, solution.loss))
    theta = implicit_minimum(
        lambda theta: multinomial.gradient(problem.rows, theta, num_classes) + penalty * theta,
        solution.theta,
        lambda vector: metric * vector,
    )
    objective = lax.stop_gradient(lbfgs.total_value(penalty, solution.theta, solution.loss))
    is_solved = solution.gradient_norm <= tolerance
    model = from_principal_axes(theta, problem)
    return LogisticModel(*model, objective, solution.gradient_norm, solution.iterations, is_solved)


def predict(model: LogisticModel, x: jax.Array) -> jax.Array:
    """p(y = k | x) for x [N, D]: [N, K], every row sums to one."""
    return jax.nn.softmax(logits_of(model, x))


def logits_of(model: LogisticModel, x: jax.Array) -> jax.Array:
    """The logits of every class for x [N, D]: [N, K]; of two classes, the first is zero."""
    logits = as_features(x) @ model.coefficients + model.intercept[None]
    return jnp.concatenate([jnp.zeros_like(logits), logits], axis=1) if logits.shape[1] == 1 else logits


def logistic(num_classes: int, *, fit_intercept: bool = True, max_iterations: int = 1000) -> Estimator:
    """The estimator."""
    _check(num_classes, max_iterations)
    settings: dict[str, Any] = {
        "num_classes": num_classes,
        "fit_intercept": fit_intercept,
        "max_iterations": max_iterations,
    }

    def fit_rows(
        key: Key, hypers: Hypers, x: jax.Array, y: jax.Array, weight: jax.Array | None = None
    ) -> LogisticModel:
        return fit(hypers, x, y, weight, **settings)

    return Estimator(fit_rows, predict)


class State(NamedTuple):
    """The search so far, in the coordinates of x: theta [K, D + 1], the intercept last."""

    key: Key
    hypers: Hypers
    search: lbfgs.State


def logistic_learner(num_features: int, num_classes: int, *, fit_intercept: bool = True) -> Learner:
    """A learner of the whole set: every step is one iteration of L-BFGS on all rows, so each gets the same batch.

    Batches hold x [B, D], y [B] int in [0, K), and may hold weight and mask, [B]. Training metrics: the objective,
    divided by C sum_i w_i, and the largest entry of its gradient. Evaluation: loss -log p(y | x) and accuracy of each
    row.
    """
    _check(num_classes, 1)

    def init(key: Key, hypers: Hypers) -> State:
        theta = jnp.zeros((_num_logits(num_classes), num_features + fit_intercept))
        return State(key, as_arrays(hypers), lbfgs.init(theta, MEMORY))

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        x, y, weight = rows_of(batch)
        total = at_least_tiny(data_sum(jnp.sum(weight)))
        rows = rows_with_intercept(x, y, weight / total, fit_intercept)
        is_slope = jnp.arange(rows.x.shape[1]) < num_features
        penalty = jnp.where(is_slope, 1.0 / (state.hypers.C * total), 0.0)[None]
        search = lbfgs.step(lambda theta: multinomial.evaluate(rows, theta, num_classes), penalty, state.search)
        gradient = lbfgs.total_gradient(penalty, search.point, search.loss)
        objective = lbfgs.total_value(penalty, search.point, search.loss)
        metrics = {"objective": objective, "gradient_norm": jnp.max(jnp.abs(gradient))}
        return state._replace(search=search), metrics

    def evaluate(state: State, batch: Batch) -> Metrics:
        x, y, _ = rows_of(batch)
        rows = rows_with_intercept(x, y, jnp.ones_like(x[:, 0]), fit_intercept)
        logits = multinomial.logits_of(rows, state.search.point, num_classes)
        log_probability = jax.nn.log_softmax(logits, axis=0)
        loss = -jnp.take_along_axis(log_probability, y[None], axis=0)[0]
        return {"loss": loss, "accuracy": (jnp.argmax(logits, axis=0) == y).astype(x.dtype)}

    return Learner(init, step, evaluate)


def _num_logits(num_classes: int) -> int:
    return 1 if num_classes == 2 else num_classes


def _check(num_classes: int, max_iterations: int) -> None:
    if num_classes < 2:
        raise ValueError(f"num_classes: got {num_classes}, at least 2 are needed")
    if max_iterations < 1:
        raise ValueError(f"max_iterations: got {max_iterations}, at least 1 is needed")
