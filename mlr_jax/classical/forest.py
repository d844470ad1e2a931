"""Random forests: the mean of many trees, each grown on its own bootstrap of the rows and, at every node, its own
choice of a few features (Breiman, Random Forests, 2001).

A tree alone varies much with its sample. The mean of T trees of variance s² and correlation r has the variance
r s² + (1 - r) s² / T, and the random choice of features lowers r.

A bootstrap is a weight: each row counts as often as it was drawn, by a Poisson law of mean one, to which the number of
draws of a row tends (Chamandy et al., Estimating Uncertainty for Massive Data Streams, 2012).
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical import tree
from mlr_jax.classical.binning import Binned, as_binned
from mlr_jax.classical.rows import as_features, as_rows
from mlr_jax.classical.tree import Hypers
from mlr_jax.classical.tree_criteria import Impurity, gini, squared_error
from mlr_jax.classical.tree_search import Candidates
from mlr_jax.classical.tree_structure import Tree, importances, values_at
from mlr_jax.core.types import Estimator, Key
from mlr_jax.ops.selection import smallest


class Forest(NamedTuple):
    """T trees, leaves [T, ...], and the keys [T] of which their bootstraps were drawn."""

    trees: Tree
    keys: Key


def fit(
    hypers: Hypers,
    x: jax.typing.ArrayLike | Binned,
    y: jax.typing.ArrayLike,
    weight: jax.typing.ArrayLike | None = None,
    *,
    key: Key,
    num_classes: int | None = None,
    impurity: Impurity | None = None,
    num_trees: int = 100,
    max_features: int | None = None,
    max_depth: int = 8,
    max_bins: int = 64,
    batch_size: int = 1,
) -> Forest:
    """A forest for rows x [N, D] (or already binned), targets y [N] and weight [N]; see `tree.fit`.

    max_features: the number of features that a node chooses from, by default the root of all for classes and a third
    for numbers. batch_size: how many trees are grown side by side; on a CPU one after another is fastest.
    Raises ValueError for numbers out of range.
    """
    binned, y, weight = as_binned(x, y, weight, max_bins)
    num_features = binned.codes.shape[0]
    impurity = impurity or (squared_error if num_classes is None else gini)
    if max_features is None:
        max_features = max(1, num_features // 3 if num_classes is None else math.isqrt(num_features))
    _check(num_trees, max_features, num_features, batch_size)

    def grow_one(key: Key) -> Tree:
        return tree.fit_binned(
            hypers, binned, y, weight * draws(key, weight),
            num_classes=num_classes, impurity=impurity, max_depth=max_depth,
            candidates=_random_features(key, num_features, max_features),
        )  # fmt: skip

    keys = jax.random.split(key, num_trees)
    return Forest(lax.map(grow_one, keys, batch_size=batch_size), keys)


def draws(key: Key, weight: jax.Array) -> jax.Array:
    """How often the bootstrap of a tree drew each row, by a Poisson law of mean one: [N], in the dtype of `weight`."""
    chance = jax.random.uniform(jax.random.fold_in(key, 0), weight.shape, jnp.float32)
    below = 0.0
    counts = jnp.zeros_like(weight)
    for count in range(10):  # more than ten draws of a row are as rare as two equal numbers of 24 bits
        below += math.exp(-1) / math.factorial(count)
        counts += chance >= below
    return counts


def _random_features(key: Key, num_features: int, num_chosen: int) -> Candidates | None:
    """For every node a choice of different features; None where a node sees all."""
    if num_chosen == num_features:
        return None
    key = jax.random.fold_in(key, 1)

    def candidates(level: jax.Array, nodes: jax.Array) -> jax.Array:
        keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(jax.random.fold_in(key, level), nodes)
        rank = jax.vmap(lambda key: jax.random.uniform(key, (num_features,), jnp.float32), out_axes=1)(keys)
        return smallest(rank, num_chosen)[1]

    return candidates


def predict(forest: Forest, x: jax.typing.ArrayLike) -> jax.Array:
    """The mean of the trees' predictions: probabilities [N, K] or numbers [N], for x [N, D]."""
    x = as_features(x)
    return _mean_over_trees(forest, x, lambda key: jnp.ones(x.shape[0], bool))


def out_of_bag(forest: Forest, x: jax.typing.ArrayLike, weight: jax.typing.ArrayLike | None = None) -> jax.Array:
    """What trees say of the very rows that they were grown without: [N, K] or [N], NaN for a row that all have seen.

    x, weight: the rows that the forest was fitted to, in their order. A held-out prediction for the price of none
    held out: compare it with y.
    """
    x, _, weight = as_rows(x, None, weight)
    return _mean_over_trees(forest, x, lambda key: draws(key, weight) == 0)


def _mean_over_trees(forest: Forest, x: jax.Array, is_asked: Callable[[Key], jax.Array]) -> jax.Array:
    """The mean of the values at x [N, D] over the trees that a row asks: `is_asked` takes a tree's key, returns [N]."""

    def add(sums: tuple, member: Forest) -> tuple[tuple, None]:
        values = values_at(member.trees, x)
        asked = is_asked(member.keys).astype(values.dtype).reshape(-1, *(1,) * (values.ndim - 1))
        return (sums[0] + asked * values, sums[1] + asked), None

    of_row = forest.trees.value.shape[2:]
    nothing = (jnp.zeros((x.shape[0], *of_row), x.dtype), jnp.zeros((x.shape[0], *(1,) * len(of_row)), x.dtype))
    (total, count), _ = lax.scan(add, nothing, forest)
    return total / count


def feature_importances(forest: Forest, num_features: int) -> jax.Array:
    """The mean of the trees' importances, shares of one: [num_features]."""
    return jnp.mean(jax.vmap(lambda trees: importances(trees, num_features))(forest.trees), axis=0)


def random_forest_classifier(num_classes: int, *, impurity: Impurity = gini, **settings: Any) -> Estimator:
    """Classes by a forest; `predict` returns probabilities [N, K]. Settings: the keywords of `fit`."""
    return _estimator(num_classes=num_classes, impurity=impurity, **settings)


def random_forest_regressor(**settings: Any) -> Estimator:
    """Numbers by a forest; `predict` returns [N]. Settings: the keywords of `fit`."""
    return _estimator(**settings)


def _estimator(**static: Any) -> Estimator:
    def fit_rows(key: Key, hypers: Hypers, x: jax.Array, y: jax.Array, weight: jax.Array | None = None) -> Forest:
        return fit(hypers, x, y, weight, key=key, **static)

    return Estimator(fit_rows, predict)


def _check(num_trees: int, max_features: int, num_features: int, batch_size: int) -> None:
    if not 1 <= max_features <= num_features:
        raise ValueError(f"max_features: got {max_features}, allowed are 1 to the {num_features} columns of x")
    for name, value in (("num_trees", num_trees), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"{name}: got {value}, at least 1 is needed")
