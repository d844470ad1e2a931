"""What boosting minimises: losses of scores F, and their first and second derivatives by F."""

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.classical.rows import at_least_tiny
from mlr_jax.core.collectives import data_sum


class Loss(NamedTuple):
    """What is minimised, as functions of the scores F [N, K].

    outputs:     K
    start:       y [N], weight [N] -> the best constant score [K]
    derivatives: y [N], scores -> g, h [N, K]
    value:       y [N], scores -> the loss of each row [N]
    prediction:  scores -> values [N] or probabilities [N, classes]
    """

    outputs: int
    start: Callable[[jax.Array, jax.Array], jax.Array]
    derivatives: Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
    value: Callable[[jax.Array, jax.Array], jax.Array]
    prediction: Callable[[jax.Array], jax.Array]


def mean_over_rows(values: jax.Array, weight: jax.Array) -> jax.Array:
    """The weighted mean of values [N, ...], over all devices."""
    total, summed = data_sum((jnp.sum(weight), weight @ values))
    return summed / at_least_tiny(total)


def _log_share(y: jax.Array, weight: jax.Array, num_classes: int) -> jax.Array:
    shares = mean_over_rows(jax.nn.one_hot(y, num_classes, dtype=weight.dtype), weight)
    return jnp.log(jnp.maximum(shares, jnp.finfo(weight.dtype).eps))


squared = Loss(
    outputs=1,
    start=lambda y, weight: mean_over_rows(y[:, None], weight),
    derivatives=lambda y, scores: (scores - y[:, None], jnp.ones_like(scores)),
    value=lambda y, scores: 0.5 * jnp.square(scores[:, 0] - y),
    prediction=lambda scores: scores[:, 0],
)
"""1/2 (F - y)²."""


def _logistic_start(y: jax.Array, weight: jax.Array) -> jax.Array:
    log_share = _log_share(y, weight, 2)
    return log_share[1:] - log_share[:1]


def _logistic_derivatives(y: jax.Array, scores: jax.Array) -> tuple[jax.Array, jax.Array]:
    p = jax.nn.sigmoid(scores)
    return p - y[:, None], p * (1 - p)


logistic = Loss(
    outputs=1,
    start=_logistic_start,
    derivatives=_logistic_derivatives,
    value=lambda y, scores: jax.nn.softplus(scores[:, 0]) - y * scores[:, 0],
    prediction=lambda scores: jax.nn.sigmoid(jnp.concatenate([-scores, scores], axis=1)),
)
"""log(1 + exp(F)) - y F with y in {0, 1}: F is the logit of class 1."""


@cache
def softmax(num_classes: int) -> Loss:
    """-log softmax(F)_y with y in [0, K): one score for each class. Raises ValueError for less than one class."""
    if num_classes < 1:
        raise ValueError(f"num_classes: got {num_classes}, at least 1 is needed")

    def derivatives(y: jax.Array, scores: jax.Array) -> tuple[jax.Array, jax.Array]:
        p = jax.nn.softmax(scores)
        return p - jax.nn.one_hot(y, num_classes, dtype=p.dtype), p * (1 - p)

    return Loss(
        outputs=num_classes,
        start=partial(_log_share, num_classes=num_classes),
        derivatives=derivatives,
        value=lambda y, scores: -jnp.sum(jax.nn.one_hot(y, num_classes) * jax.nn.log_softmax(scores), axis=1),
        prediction=jax.nn.softmax,
    )
