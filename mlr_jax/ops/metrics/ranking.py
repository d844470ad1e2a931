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
    labels, scores, mass = _by_class(y, prediction, weight)
    is_other = labels[:, None] != jnp.arange(len(mass))[None]
    wins = jnp.where(is_other, jax.vmap(_wins)(scores, mass[labels]) @ mass.T, 0)
    support = jnp.sum(mass, axis=1)
    pairs = jnp.where(is_other, support[labels][:, None] * support[None], 0)
    if multiclass == "ovr":
        wins, pairs = jnp.sum(wins, axis=1), jnp.sum(pairs, axis=1)
    return jnp.sum(ratio(wins, pairs)) / jnp.sum(pairs > 0)


def average_precision(y: Rows, prediction: Rows, weight: Rows | None = None) -> jax.Array:
    """The precision at the score of each row of class 1, averaged over those rows; 0 where there are none.

    sum_t (R_t - R_(t-1)) P_t over descending thresholds t, with the precision P and the recall R of naming class 1
    where the score is at least t. Of K > 2 classes: the mean over the classes, each against the rest.
    """
    labels, scores, mass = _by_class(y, prediction, weight)
    weight = jnp.sum(mass, axis=0)

    def of_class(scores: jax.Array, own: jax.Array) -> jax.Array:
        _, ranks = sorted_with_ranks(scores)
        mass = mass_by_rank(ranks, own)
        true_positives, positives = (jnp.cumsum(each[::-1])[::-1] for each in (mass, mass_by_rank(ranks, weight)))
        return ratio(mass @ ratio(true_positives, positives), true_positives[0]) + _nan_if_any(scores)

    return jnp.mean(jax.vmap(of_class)(scores, mass[labels]))


def _by_class(y: Rows, prediction: Rows, weight: Rows | None) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The C classes that are ranked [C], their scores [C, N], and the weight that each row gives each class [K, N].

    C is K, or of two classes 1: the ranking by class 0 is that by class 1 in reverse.
    """
    prediction = jnp.asarray(prediction)
    if prediction.ndim == 1:
        prediction = jnp.stack([-prediction, prediction], axis=1)
    y, prediction, weight = class_rows(y, prediction, weight)
    classes = jnp.arange(prediction.shape[1])
    labels = classes if len(classes) > 2 else classes[1:]
    return labels, prediction.T[-len(labels) :], jnp.where(y[None] == classes[:, None], weight[None], 0)


def _wins(scores: jax.Array, own: jax.Array) -> jax.Array:
    """The weight of the rows of a class that each row loses to, half of it where scores are equal: [N], own [N] -> [N].

    sum_m own_m ([s_m > s_n] + [s_m = s_n] / 2) for each row n.
    """
    _, ranks = sorted_with_ranks(scores)
    mass = mass_by_rank(ranks, own)
    up_to = jnp.cumsum(mass)
    return (up_to[-1] - up_to + mass / 2)[ranks] + _nan_if_any(scores)


def _nan_if_any(scores: jax.Array) -> jax.Array:
    """NaN if any score is, else 0: a NaN has no place in an order, and must not find one by its bits."""
    return jnp.where(jnp.any(jnp.isnan(scores)), jnp.nan, 0).astype(scores.dtype)
