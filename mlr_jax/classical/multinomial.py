"""The multinomial loss of linear logits over weighted rows: its value, its gradient and the diagonal of its Hessian.

    f(theta) = sum_i s_i (logsumexp_k(theta x_i) - (theta x_i)_{y_i})

    df / dtheta_kj     = sum_i s_i (p_ik - [k = y_i]) x_ij
    d²f / dtheta_kj²   = sum_i s_i p_ik (1 - p_ik) x_ij²

Of two classes, class 0 has the logit zero, so that theta has one row.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical.lbfgs import Evaluation
from mlr_jax.core.collectives import data_sum


class Rows(NamedTuple):
    """The rows in the coordinates in which a problem is solved; they may be spread over devices."""

    x: jax.Array  # [N, E]
    squares: jax.Array  # [N, E], x²
    y: jax.Array  # [N] int
    share: jax.Array  # [N], weights, over all devices adding up to one


def evaluate(rows: Rows, theta: jax.Array, num_classes: int) -> Evaluation:
    """f, its gradient and the diagonal of its Hessian at theta [K, E], for two classes [1, E]."""
    logits, largest, odds, normalizer = _odds(rows, theta, num_classes)
    probabilities = odds / normalizer[None]
    is_label = _is_label(rows, num_classes)
    losses = jnp.log(normalizer) + largest - jnp.sum(jnp.where(is_label, logits, 0.0), axis=0)
    residual = (rows.share[None] * (probabilities - is_label))[-len(theta) :]
    spread = (rows.share[None] * probabilities * (1.0 - probabilities))[-len(theta) :]
    return Evaluation(*data_sum((jnp.sum(rows.share * losses), residual @ rows.x, spread @ rows.squares)))


def gradient(rows: Rows, theta: jax.Array, num_classes: int) -> jax.Array:
    """df / dtheta alone, [K, E], for two classes [1, E]."""
    _, _, odds, normalizer = _odds(rows, theta, num_classes)
    residual = rows.share[None] * (odds / normalizer[None] - _is_label(rows, num_classes))
    return data_sum(residual[-len(theta) :] @ rows.x)


def logits_of(rows: Rows, theta: jax.Array, num_classes: int) -> jax.Array:
    """The logits of every class, [K, N]."""
    logits = theta @ rows.x.T
    return jnp.concatenate([jnp.zeros_like(logits), logits]) if num_classes == 2 else logits


def _odds(rows: Rows, theta: jax.Array, num_classes: int) -> tuple[jax.Array, ...]:
    """Logits [K, N], the largest of each row, exp of what they are below it, and the sum of that."""
    logits = logits_of(rows, theta, num_classes)
    largest = lax.stop_gradient(jnp.max(logits, axis=0))
    odds = jnp.exp(logits - largest[None])
    return logits, largest, odds, jnp.sum(odds, axis=0)


def _is_label(rows: Rows, num_classes: int) -> jax.Array:
    return jnp.arange(num_classes)[:, None] == rows.y[None]
