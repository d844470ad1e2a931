"""Metrics of the order in which scores put the rows: `metric(y, prediction, weight=None)` -> [].

y [N] int in [0, K); prediction [N, K], or of two classes also the score [N] of class 1; weight [N], where a row of
weight 0 is not there. Rows of equal score are never put in an order. Pure; all can be compiled and vmapped.
"""

from typing import Literal

import jax
import jax.numpy as jnp

from mlr_jax.ops.metrics.rows import class_rows, ratio
from mlr_jax.ops.ranks import mass_by_rank, sorted_with_ranks

Rows = jax.typing.ArrayLike


def roc_auc(
    y: Rows, prediction: Rows, weight: Rows | None = None, *, multiclass: Literal["ovr", "ovo"] = "ovr"
) -> jax.Array:
    """The chance that a row of class 1 has a greater score than a row of class 0, where equal scores are half a win.

    It is the area under the receiver operating characteristic (Hanley & McNeil, 1982). Of K > 2 classes it is the mean
    of each class against the rest ("ovr"), or of each against each other one ("ovo": Hand & Till, 2001), always by the
    score of the class in question. Classes without rows are left out; with fewer than two classes the answer is NaN.
    """
    if multiclass not in ("ovr", "ovo"):
        raise ValueError(f"multiclass: got {multiclass!r}, allowed are ovr, ovo")
    y, labels, scores, weight, num_classes = _by_class(y, prediction, weight)
    wins = jax.vmap(_wins, in_axes=(0, 0, None, None, None))(labels, scores, y, weight, num_classes)
    support = jnp.zeros(num_classes, weight.dtype).at[y].add(weight)
    pairs = jnp.where(labels[:, None] == jnp.arange(num_classes)[None], 0, support[labels][:, None] * support[None])
    if multiclass == "ovr":
        wins, pairs = jnp.sum(wins, axis=1), jnp.sum(pairs, axis=1)
    return jnp.sum(ratio(wins, pairs)) / jnp.sum(pairs > 0)


def average_precision(y: Rows, prediction: Rows, weight: Rows | None = None) -> jax.Array:
    """The precision at the score of each row of class 1, averaged over those rows; 0 where there are none.

    sum_t (R_t - R_(t-1)) P_t over descending thresholds t, with the precision P and the recall R of naming class 1
    where the score is at least t. Of K > 2 classes: the mean over the classes, each against the rest.
    """
    y, labels, scores, weight, _ = _by_class(y, prediction, weight)

    def of_class(label: jax.Array, scores: jax.Array) -> jax.Array:
        _, ranks = sorted_with_ranks(scores)
        mass = mass_by_rank(ranks, (y == label).astype(jnp.int32), weight, 2)
        at_least = jnp.cumsum(mass[::-1], axis=0)[::-1]
        precision = ratio(at_least[:, 1], jnp.sum(at_least, axis=1))
        return ratio(mass[:, 1] @ precision, at_least[0, 1]) + _nan_if_any(scores)

    return jnp.mean(jax.vmap(of_class)(labels, scores))


def _by_class(y: Rows, prediction: Rows, weight: Rows | None) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array, int]:
    """y [N], the C classes that are ranked [C], their scores [C, N], weight [N] and K: C is K, or of two classes 1."""
    prediction = jnp.asarray(prediction)
    if prediction.ndim == 1:
        prediction = jnp.stack([-prediction, prediction], axis=1)
    y, prediction, weight = class_rows(y, prediction, weight)
    num_classes = prediction.shape[1]
    labels = jnp.arange(num_classes) if num_classes > 2 else jnp.array([1])
    return y, labels, prediction.T[-labels.shape[0] :], weight, num_classes


def _wins(label: jax.Array, scores: jax.Array, y: jax.Array, weight: jax.Array, num_classes: int) -> jax.Array:
    """The sum of w_n w_m ([s_n > s_m] + [s_n = s_m] / 2) over rows n of the class and m of each other class: [K]."""
    _, ranks = sorted_with_ranks(scores)
    mass = mass_by_rank(ranks, y, weight, num_classes)
    below = jnp.cumsum(mass, axis=0) - mass / 2
    wins = mass[:, label] @ below
    return jnp.where(jnp.arange(num_classes) == label, 0, wins) + _nan_if_any(scores)


def _nan_if_any(scores: jax.Array) -> jax.Array:
    """NaN if any score is, else 0: a NaN has no place in an order, and must not find one by its bits."""
    return jnp.where(jnp.any(jnp.isnan(scores)), jnp.nan, 0).astype(scores.dtype)
