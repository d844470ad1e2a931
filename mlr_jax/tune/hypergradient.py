"""Hyper-gradients: the slope of the validation loss in the hyper-parameters, through the fit, and descent along it.

    L(h) = mean over folds f of loss(y_f, predict(fit(h; rows not of f), x_f))

A grid of G values for each of H hyper-parameters takes G^H fits; a descent moves all H at once for little more than the
cost of a fit, so that each group of columns can have a penalty of its own (Bengio, 2000; Pedregosa, 2016). Fits that
iterate give the derivative of their solution implicitly (`core/implicit.py`), not of their iterations.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from mlr_jax.core.types import Estimator, Hypers, Key
from mlr_jax.tune.cross_validation import Data, Metric, Plan, Rows, as_data, one_key, run
from mlr_jax.tune.folds import Folds
from mlr_jax.tune.layout import DEFAULT, Layout


class Descent(NamedTuple):
    """Of the n + 1 hypers visited those of least loss, that loss [], all losses [n + 1], all hypers [n + 1, ...]."""

    hypers: Hypers
    loss: jax.Array
    losses: jax.Array
    path: Hypers


def validation_loss(
    estimator: Estimator,
    hypers: Hypers,
    folds: Folds,
    x: Rows,
    y: Any,
    *,
    loss: Metric,
    key: Key | None = None,
    weight: Rows | None = None,
    layout: Layout = DEFAULT,
) -> jax.Array:
    """L(h), []: hypers are one setting, whose fields may be arrays; differentiable in it where fit and loss are."""
    plan = Plan(estimator, (("loss", loss),), layout)
    return _loss(plan, hypers, folds, as_data(x, y, weight), one_key() if key is None else key[None])


def descend(
    objective: Callable[[Hypers], jax.Array],
    hypers: Hypers,
    fields: Sequence[str],
    *,
    steps: int = 50,
    optimizer: optax.GradientTransformation | None = None,
) -> Descent:
    """`steps` steps down objective(hypers) from given hypers, in the logarithm of some fields; the others stay.

    The logarithm keeps them positive and makes steps relative. optimizer: unless given, Rprop (Riedmiller and Braun,
    1993), which looks at the signs of slopes alone: far from the best penalty they are smaller by orders of magnitude.
    L-BFGS (`optax.lbfgs()`), which is given the loss too, takes fewer steps. One scan: compile it with `jax.jit`.
    Raises ValueError for unknown fields and for less than one step.
    """
    unknown = [field for field in fields if field not in hypers._fields]
    if unknown or not fields:
        raise ValueError(f"fields: got {', '.join(unknown) or 'none'}, allowed are {', '.join(hypers._fields)}")
    if steps < 1:
        raise ValueError(f"steps: got {steps}, at least 1 is needed")
    optimizer = optax.with_extra_args_support(optimizer or optax.rprop(0.5, max_step_size=2.0))

    def at(logs: dict[str, jax.Array]) -> Hypers:
        return hypers._replace(**jax.tree.map(jnp.exp, logs))

    def loss_at(logs: dict[str, jax.Array]) -> jax.Array:
        return objective(at(logs))

    def step(carry: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], tuple[jax.Array, Hypers]]:
        logs, state = carry
        loss, slope = jax.value_and_grad(loss_at)(logs)
        updates, state = optimizer.update(slope, state, logs, value=loss, grad=slope, value_fn=loss_at)
        return (optax.apply_updates(logs, updates), state), (loss, at(logs))

    logs = {field: jnp.log(jnp.asarray(getattr(hypers, field), jnp.result_type(float))) for field in fields}
    (logs, _), (losses, path) = lax.scan(step, (logs, optimizer.init(logs)), None, length=steps)
    losses = jnp.append(losses, loss_at(logs))
    path = jax.tree.map(lambda leaves, last: jnp.concatenate([leaves, jnp.asarray(last)[None]]), path, at(logs))
    best = jnp.argmin(jnp.where(jnp.isnan(losses), jnp.inf, losses))
    return Descent(jax.tree.map(lambda leaf: leaf[best], path), losses[best], losses, path)


@partial(jax.jit, static_argnums=0)
def _loss(plan: Plan, hypers: Hypers, folds: Folds, data: Data, keys: Key) -> jax.Array:
    alone = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], hypers)
    return jnp.mean(run(plan, alone, folds, data, keys).test["loss"])
