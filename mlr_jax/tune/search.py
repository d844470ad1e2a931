"""Choice of hyper-parameters by cross-validation, and an honest score of the choice by nested cross-validation."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.core.types import Estimator, Hypers, Key
from mlr_jax.tune.cross_validation import Data, Metric, Plan, Rows, Scores, as_data, fit_and_score, one_key, run
from mlr_jax.tune.folds import Folds
from mlr_jax.tune.grid import member
from mlr_jax.tune.layout import DEFAULT, Layout


class Choice(NamedTuple):
    """How a setting is chosen from scores.

    greatest: whether greater scores are better
    one_standard_error: take the first setting, in the order given, that is no more than one standard error worse than
        the best (Breiman et al., 1984), and not the best itself: list the simplest first
    """

    greatest: bool = True
    one_standard_error: bool = False


GREATEST, LEAST = Choice(), Choice(greatest=False)
"""For scores and for losses."""


class Search(NamedTuple):
    """Scores of all settings, the number of the one chosen [], its hypers, and the model of it fitted to all rows."""

    scores: Scores
    best: jax.Array
    hypers: Hypers
    model: Any


class NestedScores(NamedTuple):
    """For each of O outer folds: the test score [O] of what the inner search chose, its number [O], its hypers."""

    test: jax.Array
    best: jax.Array
    hypers: Hypers


def choose(values: jax.Array, choice: Choice = GREATEST) -> jax.Array:
    """The number of the chosen setting from scores [F, M, S]: [] int. Of equals the first; NaN is the worst.

    The score of a setting is the mean over folds and keys, its standard error that of the mean over folds.
    """
    by_fold = jnp.mean(values, axis=2) * (1 if choice.greatest else -1)
    mean = jnp.mean(by_fold, axis=0)
    mean = jnp.where(jnp.isnan(mean), -jnp.inf, mean)
    best = jnp.argmax(mean)
    if not choice.one_standard_error:
        return best
    error = jnp.std(by_fold[:, best], ddof=1) / jnp.sqrt(by_fold.shape[0])
    return jnp.argmax(mean >= mean[best] - error)


def grid_search(
    estimator: Estimator,
    hypers: Hypers,
    folds: Folds,
    x: Rows,
    y: Any,
    *,
    metric: Metric,
    choice: Choice = GREATEST,
    keys: Key | None = None,
    weight: Rows | None = None,
    train_scores: bool = False,
    layout: Layout = DEFAULT,
) -> Search:
    """Cross-validate every setting (see `cross_validate`), choose one and fit it to all rows with the first key.

    One compiled program; the scores are named "score".
    """
    plan = Plan(estimator, (("score", metric),), layout, train_scores)
    keys = one_key() if keys is None else keys
    return _search(plan, choice, hypers=hypers, folds=folds, data=as_data(x, y, weight), keys=keys)


def nested_cross_validate(
    estimator: Estimator,
    hypers: Hypers,
    folds: tuple[Folds, Folds],
    x: Rows,
    y: Any,
    *,
    metric: Metric,
    choice: Choice = GREATEST,
    keys: Key | None = None,
    weight: Rows | None = None,
    layout: Layout = DEFAULT,
) -> NestedScores:
    """The score of the whole search, on rows that had no part in its choice (Stone, 1974).

    folds: the outer ones, and the inner ones of what each outer fold fits, leaves [O, F, ...] (`folds.nested`). Outer
    folds follow one another inside one compiled program; `layout` is that of the inner searches.
    """
    plan = Plan(estimator, (("score", metric),), layout)
    keys = one_key() if keys is None else keys
    return _nested(plan, choice, hypers=hypers, folds=folds, data=as_data(x, y, weight), keys=keys)


@partial(jax.jit, static_argnums=(0, 1))
def _search(plan: Plan, choice: Choice, *, hypers: Hypers, folds: Folds, data: Data, keys: Key) -> Search:
    scores = run(plan, hypers, folds, data, keys)
    best = choose(scores.test["score"], choice)
    chosen = member(hypers, best)
    return Search(scores, best, chosen, plan.estimator.fit(keys[0], chosen, data.x, data.y, data.weight))


@partial(jax.jit, static_argnums=(0, 1))
def _nested(
    plan: Plan, choice: Choice, *, hypers: Hypers, folds: tuple[Folds, Folds], data: Data, keys: Key
) -> NestedScores:
    def of_outer(folds: tuple[Any, Folds]) -> NestedScores:
        outer, inner = folds
        best = choose(run(plan, hypers, inner, data, keys).test["score"], choice)
        chosen = member(hypers, best)
        scores = fit_and_score(plan, chosen, keys[0], data, fitted=outer.train, tested=outer.test)
        return NestedScores(scores.test["score"], best, jax.tree.map(jnp.asarray, chosen))

    return lax.map(of_outer, folds)
