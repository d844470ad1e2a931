"""Lasso (Tibshirani, 1996) and elastic net (Zou and Hastie, 2005): linear regression with coefficients that vanish.

    minimise over w, b   1/2 sum_i s_i (y_i - w' x_i - b)² + alpha l1_ratio ||w||_1 + 1/2 alpha (1 - l1_ratio) ||w||²

with s_i = v_i / sum_i v_i and v_i the weight of row i. The intercept b is not penalised. How the minimiser is found
stands in `lasso_solver.py`; the learner takes the same iterations, one a step.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical import fista
from mlr_jax.classical.lasso_solver import (
    Quadratic,
    differentiable,
    duality_gap,
    from_moments,
    from_rows,
    gradient,
    minimise,
    penalty_of,
    proximal,
)
from mlr_jax.classical.rows import as_features, as_rows, rows_of
from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.types import Batch, Estimator, Key, Learner, Metrics


class Hypers(NamedTuple):
    """What a sweep can vary.

    alpha: weight of the penalty. l1_ratio: the share of ||w||_1 in it, in [0, 1]; 1 is the lasso. tolerance: the
    iteration ends where the duality gap is at most this share of the variance of y, sum_i s_i (y_i - mean)².
    """

    alpha: float = 1.0
    l1_ratio: float = 1.0
    tolerance: float = 1e-4


class LassoModel(NamedTuple):
    """The line x w + b, and how it was found."""

    coefficients: jax.Array  # [D]
    intercept: jax.Array  # []
    gap: jax.Array  # [], how far the objective may be above its minimum
    iterations: jax.Array  # [] int
    converged: jax.Array  # [] bool


def fit(
    hypers: Hypers,
    x: jax.Array,
    y: jax.Array,
    weight: jax.Array | None = None,
    *,
    fit_intercept: bool = True,
    gram: bool = False,
    max_iterations: int = 10_000,
) -> LassoModel:
    """The minimiser for x [N, D], y [N] and weight [N], to the duality gap; with alpha 0 there is no useful gap.

    gram: iterate on the matrix of the columns' products, which costs N D² once and then D² an iteration, instead of on
    the rows, N D an iteration. It pays where iterations are many: for small penalties, for correlated columns, and in a
    vmap over penalties, which shares the matrix.

    Differentiable in alpha, l1_ratio, x, y and weight where no coefficient is about to vanish or to appear. Raises
    ValueError for y of another rank.
    """
    _check(max_iterations)
    x, y, weight = as_rows(x, y, weight)
    if y.ndim != 1:
        raise ValueError(f"y: got shape {y.shape}, wanted [N]")
    alpha, l1_ratio, tolerance = (jnp.asarray(hyper, x.dtype) for hyper in hypers)
    quadratic = (from_moments if gram else from_rows)(x, y.astype(x.dtype), weight, fit_intercept)
    penalty = penalty_of(quadratic, alpha, l1_ratio)
    threshold = tolerance * quadratic.variance
    u, gap, iterations = minimise(*lax.stop_gradient((quadratic, penalty, threshold)), max_iterations)
    model = _line(differentiable(quadratic, penalty, u), quadratic)
    return LassoModel(*model, gap, iterations, gap <= threshold)


def predict(model: LassoModel, x: jax.Array) -> jax.Array:
    """x w + b: x [N, D] -> [N]."""
    return as_features(x) @ model.coefficients + model.intercept


def lasso(*, fit_intercept: bool = True, gram: bool = True, max_iterations: int = 10_000) -> Estimator:
    """The lasso and, with `hypers.l1_ratio` below 1, the elastic net."""
    _check(max_iterations)
    settings: dict[str, Any] = {"fit_intercept": fit_intercept, "gram": gram, "max_iterations": max_iterations}

    def fit_rows(key: Key, hypers: Hypers, x: jax.Array, y: jax.Array, weight: jax.Array | None = None) -> LassoModel:
        return fit(hypers, x, y, weight, **settings)

    return Estimator(fit_rows, predict)


class State(NamedTuple):
    """The search so far, in standardised coordinates, and the line it stands for."""

    step: jax.Array
    key: Key
    hypers: Hypers
    search: fista.State
    coefficients: jax.Array  # [D]
    intercept: jax.Array  # []


def lasso_learner(num_features: int, *, fit_intercept: bool = True) -> Learner:
    """A learner of the whole set: every step is one iteration of FISTA on all rows, so each gets the same batch.

    Batches hold x [B, D], y [B], and may hold weight and mask, [B]. Training metrics: the duality gap. Evaluation:
    squared_error of each row.
    """

    def init(key: Key, hypers: Hypers) -> State:
        point, gradient, coefficients = (jnp.zeros(num_features) for _ in range(3))
        search = fista.init(point, gradient, jnp.ones(()))
        return State(jnp.int32(0), key, as_arrays(hypers), search, coefficients, jnp.zeros(()))

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        x, y, weight = rows_of(batch)
        quadratic = from_rows(x, y.astype(x.dtype), weight, fit_intercept)
        alpha, l1_ratio, _ = (jnp.asarray(hyper, x.dtype) for hyper in state.hypers)
        penalty = penalty_of(quadratic, alpha, l1_ratio)
        first = fista.init(jnp.zeros_like(quadratic.c), -quadratic.c, jnp.ones_like(quadratic.variance))
        search = jax.tree.map(lambda a, b: jnp.where(state.step == 0, a, b), first, state.search)
        search = fista.step(
            lambda u: gradient(quadratic, u), lambda v, t: proximal(penalty, v, t), search, num_features
        )
        gap = duality_gap(quadratic, penalty, search)
        return State(state.step + 1, state.key, state.hypers, search, *_line(search.point, quadratic)), {"gap": gap}

    def evaluate(state: State, batch: Batch) -> Metrics:
        x, y, _ = rows_of(batch)
        return {"squared_error": (x @ state.coefficients + state.intercept - y) ** 2}

    return Learner(init, step, evaluate)


def _line(u: jax.Array, quadratic: Quadratic) -> tuple[jax.Array, jax.Array]:
    """Coefficients and intercept in the coordinates of x."""
    coefficients = u / quadratic.sigma
    return coefficients, quadratic.mean_y - quadratic.mean_x @ coefficients


def _check(max_iterations: int) -> None:
    if max_iterations < 1:
        raise ValueError(f"max_iterations: got {max_iterations}, at least 1 is needed")
