"""What every metric does on entry: check the shapes, give each row a weight, blank the rows that are not there."""

from typing import Literal

import jax
import jax.numpy as jnp

from mlr_jax.ops.masked import blank_padding


def class_rows(
    y: jax.typing.ArrayLike, prediction: jax.typing.ArrayLike, weight: jax.typing.ArrayLike | None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """y [N] int in [0, K), prediction [N, K] floating, weight [N]. Raises ValueError for other shapes and dtypes."""
    y, prediction = jnp.asarray(y), _floating(prediction)
    if not jnp.issubdtype(y.dtype, jnp.integer):
        raise ValueError(f"y: got dtype {y.dtype}, classes are integers 0 to K - 1")
    if prediction.ndim != 2 or prediction.shape[1] < 2:
        raise ValueError(f"prediction: got shape {prediction.shape}, wanted scores [N, K] of at least 2 classes")
    return weighted(y, prediction, weight)


def value_rows(
    y: jax.typing.ArrayLike, prediction: jax.typing.ArrayLike, weight: jax.typing.ArrayLike | None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """y and prediction [N, T] floating, weight [N]; one output [N] counts as T = 1. Raises ValueError else."""
    prediction = _floating(prediction)
    y = jnp.asarray(y, prediction.dtype)
    if y.shape != prediction.shape or y.ndim not in (1, 2):
        raise ValueError(f"prediction: got shape {prediction.shape}, y has {y.shape}; wanted [N] or [N, T] of both")
    return weighted(y.reshape(y.shape[0], -1), prediction.reshape(y.shape[0], -1), weight)


def weighted(
    y: jax.Array, prediction: jax.Array, weight: jax.typing.ArrayLike | None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Both with zeros in the rows of weight 0, and the weight [N] in the prediction's dtype, 1 where None is given."""
    rows = prediction.shape[:1]
    if y.shape[:1] != rows:
        raise ValueError(f"y: got {y.shape[:1]} rows, prediction has {rows}")
    dtype = prediction.dtype if jnp.issubdtype(prediction.dtype, jnp.floating) else jnp.result_type(float)
    if weight is None:
        return y, prediction, jnp.ones(rows, dtype)
    weight = jnp.asarray(weight, dtype)
    if weight.shape != rows:
        raise ValueError(f"weight: got shape {weight.shape}, wanted {rows}")
    return blank_padding(y, weight), blank_padding(prediction, weight), weight


def average(values: jax.Array, weight: jax.Array) -> jax.Array:
    """sum_n w_n v_n / sum_n w_n: values [N] or [N, T], weight [N] -> [] or [T]; NaN where nothing has weight."""
    return weight @ values / jnp.sum(weight)


def ratio(numerator: jax.Array, denominator: jax.Array, otherwise: float = 0.0) -> jax.Array:
    """numerator / denominator, and `otherwise` where the denominator is 0."""
    defined = denominator != 0
    return jnp.where(defined, numerator / jnp.where(defined, denominator, 1), otherwise)


Average = Literal["binary", "macro", "micro", "weighted", "none"]
"""How per-class values become one: that of class 1 of two; the mean over classes, plain or weighted by their rows; from
sums over all classes; not at all, [K]."""


def over_classes(
    numerator: jax.Array, denominator: jax.Array, present: jax.Array, support: jax.Array, average: Average
) -> jax.Array:
    """The ratio, 0 where undefined, over classes: all [K]; only `present` ones enter a macro average."""
    values = ratio(numerator, denominator)
    total = jnp.sum(support)
    if average == "binary":
        if values.shape[0] != 2:
            raise ValueError(f"average: got 'binary' for {values.shape[0]} classes, it needs 2")
        return jnp.where(total > 0, values[1], jnp.nan)
    if average == "macro":
        return jnp.sum(jnp.where(present, values, 0)) / jnp.sum(present)
    if average == "micro":
        return jnp.sum(numerator) / jnp.sum(denominator)
    if average == "weighted":
        return support @ values / total
    if average == "none":
        return values
    raise ValueError(f"average: got {average!r}, allowed are binary, macro, micro, weighted, none")


def _floating(values: jax.typing.ArrayLike) -> jax.Array:
    values = jnp.asarray(values)
    return values if jnp.issubdtype(values.dtype, jnp.floating) else values.astype(jnp.result_type(float))
