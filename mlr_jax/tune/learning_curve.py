"""Learning curves: scores against the number of rows that are fitted, for folds x sizes x keys as one program.

The rows of a size are the first of an order, so that each set holds the smaller ones: the steps of a curve are what
more rows bring, and not other rows. A row that is left out has weight 0.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.types import Estimator, Hypers, Key
from mlr_jax.ops.permutation import permute
from mlr_jax.tune.cross_validation import Data, Metric, Plan, Rows, Scores, as_data, fit_and_score, one_key
from mlr_jax.tune.folds import Folds
from mlr_jax.tune.layout import DEFAULT, Layout, spread


def learning_curve(
    estimator: Estimator,
    hypers: Hypers,
    folds: Folds,
    x: Rows,
    y: Any,
    *,
    sizes: Sequence[int],
    metrics: Mapping[str, Metric],
    keys: Key | None = None,
    weight: Rows | None = None,
    shuffle: bool = True,
    layout: Layout = DEFAULT,
) -> Scores:
    """Test and training scores by metric, [F, L, S], of L sizes; hypers: one setting.

    sizes: how many of the rows that a fold fits. shuffle: take them in an order of each key's own, else in their own
    order. Training scores are of the rows fitted. Raises ValueError for sizes outside 1 to the fewest rows that a
    fold fits.
    """
    data = as_data(x, y, weight)
    present = np.asarray(folds.train) & (np.asarray(data.weight) > 0)[None]
    fewest = int(np.min(np.sum(present, axis=1)))
    if not all(1 <= size <= fewest for size in sizes):
        raise ValueError(f"sizes: got {list(sizes)}, allowed are 1 to the {fewest} rows that every fold fits")
    plan = Plan(estimator, tuple(metrics.items()), layout, train_scores=True)
    keys = one_key() if keys is None else keys
    return _run(plan, shuffle, hypers=hypers, folds=folds, data=data, sizes=jnp.asarray(sizes), keys=keys)


def first_rows(present: jax.Array, size: jax.Array, order: jax.Array) -> jax.Array:
    """Which rows are among the first `size` present ones in an order: present [N] bool, order [N] row numbers."""
    places = jnp.cumsum(present[order])
    return present & (jnp.zeros_like(places).at[order].set(places) <= size)


@partial(jax.jit, static_argnums=(0, 1))
def _run(plan: Plan, shuffle: bool, *, hypers: Hypers, folds: Folds, data: Data, sizes: jax.Array, keys: Key) -> Scores:
    rows = jnp.arange(data.weight.shape[0])

    def of_one(fold: Any, size: jax.Array, key: Key) -> Scores:
        order = permute(key, jnp.int32(0), rows, len(rows)) if shuffle else rows
        fitted = first_rows(fold.train & (data.weight > 0), size, order)
        return fit_and_score(plan, hypers, key, data, fitted=fitted, tested=fold.test)

    return spread(of_one, plan.layout, folds, sizes, keys)
