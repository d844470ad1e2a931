"""Cross-validation: fit without some rows, score on them, for folds x hyper-parameters x keys as one compiled program.

A row left out has weight 0 in the fit, so that every fold has the same shape and shares x and y. The estimator and the
metrics are static and told apart by identity: make them once, and new hyper-parameters, rows and folds of the same
shapes compile nothing new.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.types import Estimator, Hypers, Key
from mlr_jax.tune.folds import Folds
from mlr_jax.tune.grid import split_shared
from mlr_jax.tune.layout import DEFAULT, Layout, spread

Metric = Callable[[Any, jax.Array, jax.Array], jax.Array]
"""metric(y [N], prediction [N, ...], weight [N]) -> [], as in `ops/metrics`."""

Rows = jax.typing.ArrayLike


class Scores(NamedTuple):
    """What F folds, M settings of the hyper-parameters and S keys gave.

    test:   by metric, [F, M, S], on the rows that each fold tests
    train:  the same on the rows that it fits; empty unless asked for
    models: what was fitted, leaves [F, M, S, ...]; None unless asked for
    """

    test: dict[str, jax.Array]
    train: dict[str, jax.Array]
    models: Any


class Data(NamedTuple):
    """Rows x [N, ...], what is known of them y [N, ...] (or None), and their weight [N]."""

    x: Any
    y: Any
    weight: Any


class Plan(NamedTuple):
    """What is compiled: who fits, the metrics by name, how runs are laid out, and which results are wanted."""

    estimator: Estimator
    metrics: tuple[tuple[str, Metric], ...]
    layout: Layout = DEFAULT
    train_scores: bool = False
    keep_models: bool = False


def cross_validate(
    estimator: Estimator,
    hypers: Hypers,
    folds: Folds,
    x: Rows,
    y: Any,
    *,
    metrics: Mapping[str, Metric],
    keys: Key | None = None,
    weight: Rows | None = None,
    train_scores: bool = False,
    keep_models: bool = False,
    layout: Layout = DEFAULT,
) -> Scores:
    """Fit and score every fold with every setting and key.

    hypers: fields with an axis of M settings (`grid`) or a number shared by all. x [N, D]; y [N, ...], or None. keys:
    [S], the same for every fold and setting. weight [N] counts in fits and scores. Settings of a fold see the same
    data, so what an estimator computes without its hypers is computed once for all of them.
    """
    plan = Plan(estimator, tuple(metrics.items()), layout, train_scores, keep_models)
    return run(plan, hypers, folds, as_data(x, y, weight), one_key() if keys is None else keys)


def cross_val_predict(
    estimator: Estimator,
    hypers: Hypers,
    folds: Folds,
    x: Rows,
    y: Any,
    *,
    key: Key | None = None,
    weight: Rows | None = None,
    layout: Layout = DEFAULT,
) -> jax.Array:
    """The prediction of each row by the model of the fold that tests it: [N, ...], NaN for a row that none does.

    hypers: one setting. Where several folds test a row, one of their predictions is given.
    """
    data = as_data(x, y, weight)
    plan = Plan(estimator, (("prediction", _prediction),), layout)
    keys = one_key() if key is None else key[None]
    predicted = run(plan, hypers, folds, data, keys).test["prediction"]
    return _in_order(predicted[:, 0, 0], folds.test, len(data.x))


def as_data(x: Rows, y: Any, weight: Rows | None) -> Data:
    """The rows with a weight in the dtype of x, 1 where None is given. Raises ValueError where lengths differ."""
    x = x if isinstance(x, jax.Array) else np.asarray(x)
    dtype = jax.dtypes.canonicalize_dtype(x.dtype if jnp.issubdtype(x.dtype, jnp.floating) else np.float32)
    weight = np.ones(x.shape[:1], dtype) if weight is None else jnp.asarray(weight, dtype)
    for name, leaf in {"y": y, "weight": weight}.items():
        if leaf is not None and jnp.shape(leaf)[:1] != x.shape[:1]:
            raise ValueError(f"{name}: got shape {jnp.shape(leaf)}, its first axis must be the {len(x)} rows of x")
    return Data(x, y, weight)


def fit_and_score(plan: Plan, hypers: Hypers, key: Key, data: Data, *, fitted: jax.Array, tested: jax.Array) -> Scores:
    """One model: fitted with the weights times `fitted` [N], scored on the rows whose numbers are `tested` [T]."""
    fitted = data.weight * fitted
    model = plan.estimator.fit(key, hypers, data.x, data.y, fitted)

    def score(data: Data) -> dict[str, jax.Array]:
        prediction = plan.estimator.predict(model, data.x)
        return {name: metric(data.y, prediction, data.weight) for name, metric in plan.metrics}

    test = score(_take(data, tested))
    train = score(data._replace(weight=fitted)) if plan.train_scores else {}
    return Scores(test, train, model if plan.keep_models else None)


def one_key() -> Key:
    """The key of those who ask for none: [1]."""
    return jax.random.key(0)[None]


@partial(jax.jit, static_argnums=0)
def run(plan: Plan, hypers: Hypers, folds: Folds, data: Data, keys: Key) -> Scores:
    """The compiled program: all folds, members and keys. Raises ValueError for folds of another number of rows."""
    num_rows = data.weight.shape[0]
    if folds.train.shape[-1] != num_rows:
        raise ValueError(f"folds: got train of shape {folds.train.shape} for {num_rows} rows of x")
    members, rebuild = split_shared(hypers)

    def of_one(fold: Any, member: list[Any], key: Key) -> Scores:
        return fit_and_score(plan, rebuild(member), key, data, fitted=fold.train, tested=fold.test)

    return spread(of_one, plan.layout, folds, members, keys)


def _take(data: Data, rows: jax.Array) -> Data:
    """The rows of these numbers [T], those of -1 with weight 0."""
    taken = jax.tree.map(lambda leaf: jnp.take(leaf, rows, axis=0, mode="clip"), data)
    return taken._replace(weight=jnp.where(rows >= 0, taken.weight, 0))


@partial(jax.jit, static_argnums=2)
def _in_order(predicted: jax.Array, rows: jax.Array, num_rows: int) -> jax.Array:
    """predicted [F, T, ...] of rows [F, T] -> [N, ...]."""
    values = predicted.shape[2:]
    rows = jnp.where(rows < 0, num_rows, rows).reshape(-1)
    blank = jnp.full((num_rows, *values), jnp.nan, predicted.dtype)
    return blank.at[rows].set(predicted.reshape(-1, *values), mode="drop")


def _prediction(y: Any, prediction: jax.Array, weight: jax.Array) -> jax.Array:
    return prediction
