"""Metrics of a classifier: `metric(y, prediction, weight=None)` -> [].

y [N] int in [0, K); prediction [N, K], scores of which the greatest, the first where several are, names the class, and
probabilities for `log_loss` and `brier`; weight [N], where a row of weight 0 is not there. Each is pure and can be
compiled and vmapped. Where nothing has weight the answer is NaN.
"""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp

from mlr_jax.ops.metrics.rows import Average, average, class_rows, over_classes, ratio

Rows = jax.typing.ArrayLike


def accuracy(y: Rows, prediction: Rows, weight: Rows | None = None) -> jax.Array:
    """The share of rows whose class has the greatest score."""
    y, scores, weight = class_rows(y, prediction, weight)
    own = _own(scores, y)[:, None]
    classes = jnp.arange(scores.shape[1])[None]
    better = (scores > own) | ((scores == own) & (classes < y[:, None])) | jnp.isnan(own)
    return average((~jnp.any(better, axis=1)).astype(weight.dtype), weight)


def top_k_accuracy(y: Rows, prediction: Rows, weight: Rows | None = None, *, k: int = 2) -> jax.Array:
    """The share of rows whose class is among the k of greatest score; of equal scores the last classes come first."""
    y, scores, weight = class_rows(y, prediction, weight)
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k: got {k}, allowed are 1 to the {scores.shape[1]} classes")
    own = _own(scores, y)[:, None]
    classes = jnp.arange(scores.shape[1])[None]
    better = (scores > own) | ((scores == own) & (classes > y[:, None])) | jnp.isnan(own)
    return average((jnp.sum(better, axis=1) < k).astype(weight.dtype), weight)


def log_loss(y: Rows, prediction: Rows, weight: Rows | None = None) -> jax.Array:
    """The mean of -log p(y), in nats; probabilities are clipped to [eps, 1 - eps] of their dtype."""
    y, probabilities, weight = class_rows(y, prediction, weight)
    eps = jnp.finfo(probabilities.dtype).eps
    return average(-jnp.log(jnp.clip(_own(probabilities, y), eps, 1 - eps)), weight)


def brier(y: Rows, prediction: Rows, weight: Rows | None = None) -> jax.Array:
    """The mean of sum_k (p_k - [y = k])^2 (Brier, 1950), halved for two classes, as is the custom."""
    y, probabilities, weight = class_rows(y, prediction, weight)
    num_classes = probabilities.shape[1]
    errors = jnp.sum((probabilities - _one_hot(y, num_classes, weight.dtype)) ** 2, axis=1)
    return average(errors, weight) * (0.5 if num_classes == 2 else 1.0)


def confusion_matrix(y: Rows, prediction: Rows, weight: Rows | None = None) -> jax.Array:
    """[K, K]: the weight of the rows of class i that are predicted to be of class j."""
    y, scores, weight = class_rows(y, prediction, weight)
    num_classes = scores.shape[1]
    predicted = _one_hot(jnp.argmax(scores, axis=1), num_classes, weight.dtype)
    return (_one_hot(y, num_classes, weight.dtype) * weight[:, None]).T @ predicted


def balanced_accuracy(y: Rows, prediction: Rows, weight: Rows | None = None) -> jax.Array:
    """The mean over the classes present of the share of their rows that are recognised."""
    matrix = confusion_matrix(y, prediction, weight)
    support = jnp.sum(matrix, axis=1)
    return jnp.sum(ratio(jnp.diag(matrix), support)) / jnp.sum(support > 0)


def precision(y: Rows, prediction: Rows, weight: Rows | None = None, *, average: Average = "binary") -> jax.Array:
    """TP / (TP + FP): the share of what is predicted to be of a class that is of it. `average`: see `rows.py`."""
    hits, actual, predicted = _counts(y, prediction, weight)
    return over_classes(hits, predicted, actual + predicted > 0, actual, average)


def recall(y: Rows, prediction: Rows, weight: Rows | None = None, *, average: Average = "binary") -> jax.Array:
    """TP / (TP + FN): the share of a class that is predicted to be of it. `average`: see `rows.py`."""
    hits, actual, predicted = _counts(y, prediction, weight)
    return over_classes(hits, actual, actual + predicted > 0, actual, average)


def f_beta(
    y: Rows, prediction: Rows, weight: Rows | None = None, *, beta: float = 1.0, average: Average = "binary"
) -> jax.Array:
    """(1 + b^2) TP / (b^2 (TP + FN) + TP + FP): the harmonic mean of precision and recall, which counts b^2 times.

    `average`: see `rows.py`.
    """
    hits, actual, predicted = _counts(y, prediction, weight)
    denominator = beta**2 * actual + predicted
    return over_classes((1 + beta**2) * hits, denominator, actual + predicted > 0, actual, average)


f1 = partial(f_beta, beta=1.0)
"""2 TP / (2 TP + FP + FN)."""


def matthews_correlation(y: Rows, prediction: Rows, weight: Rows | None = None) -> jax.Array:
    """The correlation of true and predicted classes (Gorodkin, 2004), 0 where either is constant.

    (c - sum_k t_k p_k) / sqrt((1 - sum_k p_k^2) (1 - sum_k t_k^2)), in shares of the rows: c are recognised, t_k are of
    class k, p_k are predicted to be.
    """
    matrix = _shares(confusion_matrix(y, prediction, weight))
    actual, predicted = jnp.sum(matrix, axis=1), jnp.sum(matrix, axis=0)
    spread = jnp.sum(predicted * (1 - predicted)) * jnp.sum(actual * (1 - actual))
    return ratio(jnp.trace(matrix) - actual @ predicted, jnp.sqrt(spread))


def cohen_kappa(
    y: Rows, prediction: Rows, weight: Rows | None = None, *, cost: Literal["equal", "linear", "quadratic"] = "equal"
) -> jax.Array:
    """1 - (mean cost of confusions) / (that of independent predictions of the same shares) (Cohen, 1960, 1968).

    The cost of taking class i for j is 1, |i - j| or (i - j)^2. NaN where all rows and predictions are of one class.
    """
    matrix = _shares(confusion_matrix(y, prediction, weight))
    apart = jnp.arange(matrix.shape[0])
    apart = jnp.abs(apart[:, None] - apart[None]).astype(matrix.dtype)
    costs = {"equal": jnp.minimum(apart, 1), "linear": apart, "quadratic": apart**2}
    if cost not in costs:
        raise ValueError(f"cost: got {cost!r}, allowed are {', '.join(costs)}")
    by_chance = jnp.sum(matrix, axis=1) @ costs[cost] @ jnp.sum(matrix, axis=0)
    return 1 - jnp.sum(costs[cost] * matrix) / by_chance


def _counts(y: Rows, prediction: Rows, weight: Rows | None) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The weight of the rows of each class that are recognised, that are there, and that are predicted: each [K]."""
    matrix = confusion_matrix(y, prediction, weight)
    return jnp.diag(matrix), jnp.sum(matrix, axis=1), jnp.sum(matrix, axis=0)


def _own(scores: jax.Array, y: jax.Array) -> jax.Array:
    """The score of each row's class: [N]."""
    return jnp.take_along_axis(scores, y[:, None], axis=1)[:, 0]


def _one_hot(labels: jax.Array, num_classes: int, dtype: jax.typing.DTypeLike) -> jax.Array:
    return (labels[:, None] == jnp.arange(num_classes)[None]).astype(dtype)


def _shares(matrix: jax.Array) -> jax.Array:
    return matrix / jnp.sum(matrix)
