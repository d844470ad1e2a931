"""Linear regression: least squares (Legendre, 1805; Gauss, 1809) and ridge regression (Hoerl and Kennard, 1970).

    minimise over w, b   sum_i v_i (y_i - w' x_i - b)² + alpha ||w||²     with v_i the weight of row i

Least squares is the limit alpha = 0; of several minimisers it is then the one of least norm. The intercept b is not
penalised, so it is what brings the mean of the fit to the mean of y, and w is a matter of deviations from means alone.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical.moments import Moments, deviations, means, merge, moments, no_moments, root_of
from mlr_jax.classical.normal_equations import by_eigenvalues, by_orthogonal_factors, by_singular_values, solve, varying
from mlr_jax.classical.rows import as_features, as_rows, rows_of
from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.implicit import implicit_minimum
from mlr_jax.core.types import Batch, Estimator, Key, Learner, Metrics


class Hypers(NamedTuple):
    """What a sweep can vary: alpha, the weight of the penalty beside the sum of squared errors."""

    alpha: float = 1.0


class NoHypers(NamedTuple):
    """Of least squares: nothing enters but the data."""


class LinearModel(NamedTuple):
    """The line x w + b. For targets y [N, T] coefficients are [D, T] and the intercept is [T]."""

    coefficients: jax.Array  # [D]
    intercept: jax.Array  # []


def fit(
    hypers: Hypers,
    x: jax.Array,
    y: jax.Array,
    weight: jax.Array | None = None,
    *,
    fit_intercept: bool = True,
) -> LinearModel:
    """The minimiser for x [N, D], y [N] or [N, T] and weight [N]; with alpha 0, least squares.

    With more rows than columns from the moments of the rows, computed once for any number of alphas in a vmap, by
    normal equations where they are safe; else from the singular values of the rows. Differentiable in alpha, x, y and
    weight. Raises ValueError for y of another rank.
    """
    x, y, weight = as_rows(x, y, weight)
    alpha = jnp.asarray(hypers.alpha, x.dtype)
    targets = _as_columns(y, x.dtype)
    if x.shape[0] > x.shape[1]:
        known = moments(x, targets, weight, centred=fit_intercept)
        coefficients = solve(known, alpha, _of_rows, (x, targets, weight))
        return _model(coefficients, known.mean_x, known.mean_y, y.ndim)
    _, mean_x, mean_y = means(x, targets, weight, centred=fit_intercept)
    root = root_of(weight)
    dx, dy = deviations(x, mean_x, root), deviations(targets, mean_y, root)
    coefficients = by_singular_values(*lax.stop_gradient((dx, dy, alpha)))
    coefficients = implicit_minimum(lambda w: dx.T @ (dx @ w - dy) + alpha * w, coefficients)
    return _model(coefficients, mean_x, mean_y, y.ndim)


def predict(model: LinearModel, x: jax.Array) -> jax.Array:
    """x w + b: x [N, D] -> [N], or [N, T] for several targets."""
    product = as_features(x) @ model.coefficients
    return product + (model.intercept[None] if product.ndim == 2 else model.intercept)


def ridge(*, fit_intercept: bool = True) -> Estimator:
    """Ridge regression."""

    def fit_rows(key: Key, hypers: Hypers, x: jax.Array, y: jax.Array, weight: jax.Array | None = None) -> LinearModel:
        return fit(hypers, x, y, weight, fit_intercept=fit_intercept)

    return Estimator(fit_rows, predict)


def least_squares(*, fit_intercept: bool = True) -> Estimator:
    """Least squares; its hypers are `NoHypers`."""

    def fit_rows(
        key: Key, hypers: NoHypers, x: jax.Array, y: jax.Array, weight: jax.Array | None = None
    ) -> LinearModel:
        return fit(Hypers(0.0), x, y, weight, fit_intercept=fit_intercept)

    return Estimator(fit_rows, predict)


class State(NamedTuple):
    """What a learner has seen so far."""

    key: Key
    hypers: Hypers | NoHypers
    moments: Moments


def ridge_learner(num_features: int, *, num_targets: int = 1, fit_intercept: bool = True) -> Learner:
    """A learner that adds the moments of a batch a step, and solves where it is evaluated.

    After the last batch its model is that of the whole set. Batches hold x [B, D], y [B] or [B, T], and may hold weight
    and mask, [B]. Training metrics: the weight seen so far. Evaluation: squared_error of each row, the mean over
    targets.
    """
    return _learner(num_features, num_targets, fit_intercept)


def least_squares_learner(num_features: int, *, num_targets: int = 1, fit_intercept: bool = True) -> Learner:
    """The same with alpha = 0; its hypers are `NoHypers`."""
    return _learner(num_features, num_targets, fit_intercept)


def fit_moments(hypers: Hypers | NoHypers, known: Moments) -> LinearModel:
    """The model of moments of rows, with coefficients [D, T] and intercept [T]."""
    alpha = jnp.asarray(getattr(hypers, "alpha", 0.0), known.xx.dtype)
    coefficients = solve(known, alpha, by_eigenvalues)
    return _model(coefficients, known.mean_x, known.mean_y, 2)


def _learner(num_features: int, num_targets: int, fit_intercept: bool) -> Learner:
    def init(key: Key, hypers: Hypers | NoHypers) -> State:
        return State(key, as_arrays(hypers), no_moments(num_features, num_targets))

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        x, y, weight = rows_of(batch)
        of_batch = moments(x, _as_columns(y, x.dtype), weight, centred=fit_intercept)
        merged = merge(state.moments, of_batch, centred=fit_intercept)
        return state._replace(moments=merged), {"weight": merged.total}

    def evaluate(state: State, batch: Batch) -> Metrics:
        x, y, _ = rows_of(batch)
        error = predict(fit_moments(state.hypers, state.moments), x) - _as_columns(y, x.dtype)
        return {"squared_error": jnp.mean(error**2, axis=1)}

    return Learner(init, step, evaluate)


def _of_rows(x: jax.Array, y: jax.Array, weight: jax.Array, known: Moments, alpha: jax.Array) -> jax.Array:
    root = root_of(weight)
    dx = jnp.where(varying(known)[None], deviations(x, known.mean_x, root), 0.0)
    return by_orthogonal_factors(dx, deviations(y, known.mean_y, root), alpha)


def _as_columns(y: jax.Array, dtype: jax.typing.DTypeLike) -> jax.Array:
    """Targets [N, T] of y [N] or [N, T], which may have come as integers. Raises ValueError for another rank."""
    if y.ndim not in (1, 2):
        raise ValueError(f"y: got shape {y.shape}, allowed are [N] and [N, T]")
    return (y[:, None] if y.ndim == 1 else y).astype(dtype)


def _model(coefficients: jax.Array, mean_x: jax.Array, mean_y: jax.Array, ndim: int) -> LinearModel:
    intercept = mean_y - mean_x @ coefficients
    return LinearModel(coefficients[:, 0], intercept[0]) if ndim == 1 else LinearModel(coefficients, intercept)
