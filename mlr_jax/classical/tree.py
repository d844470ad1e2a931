"""Decision trees: questions "is x_d <= t?" asked one after another, and a constant where they end.

Each node is split by the feature and the threshold that lower the impurity of its rows most (CART: Breiman, Friedman,
Olshen and Stone, 1984), found from histograms over bins. Where every feature has at most `max_bins` distinct values
that is the exact search; where one has more, its thresholds lie at quantiles.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.classical.binning import Binned, as_binned
from mlr_jax.classical.histogram import class_sums, column_sums
from mlr_jax.classical.rows import as_features, at_least_tiny
from mlr_jax.classical.tree_criteria import Criterion, Impurity, gini, is_allowed, squared_error
from mlr_jax.classical.tree_growth import grow
from mlr_jax.classical.tree_search import Candidates
from mlr_jax.classical.tree_structure import Tree, values_at
from mlr_jax.core.types import Estimator, Key


class Hypers(NamedTuple):
    """What a sweep can vary."""

    min_leaf_weight: float = 1.0
    """A leaf holds rows of this total weight at least: so many rows, where each weighs one."""
    min_impurity_decrease: float = 0.0
    """A split gains at least this, as a mean over all rows."""


def fit(
    hypers: Hypers,
    x: jax.typing.ArrayLike | Binned,
    y: jax.typing.ArrayLike,
    weight: jax.typing.ArrayLike | None = None,
    *,
    num_classes: int | None = None,
    impurity: Impurity | None = None,
    max_depth: int = 6,
    max_bins: int = 255,
) -> Tree:
    """A tree for rows x [N, D] (or already binned), targets y [N] and weight [N]. NaN in x is a missing value.

    With `num_classes` y is a class in [0, K) and a node's value is the share of each class [K], and the impurity is
    `gini` unless `entropy` is given; without, y is a number, the value is the mean [], the impurity `squared_error`.
    Raises ValueError for a depth outside 1 to 20, for less than one class and for bins out of range.
    """
    binned, y, weight = as_binned(x, y, weight, max_bins)
    impurity = impurity or (squared_error if num_classes is None else gini)
    return fit_binned(hypers, binned, y, weight, num_classes=num_classes, impurity=impurity, max_depth=max_depth)


def fit_binned(
    hypers: Hypers,
    binned: Binned,
    y: jax.Array,
    weight: jax.Array,
    *,
    num_classes: int | None,
    impurity: Impurity,
    max_depth: int,
    candidates: Candidates | None = None,
) -> Tree:
    """What `fit` does when the rows are binned; `candidates` names the features that nodes may be split by."""
    if not 1 <= max_depth <= 20:
        raise ValueError(f"max_depth: got {max_depth}, allowed are 1 to 20 (arrays have 2**max_depth entries)")
    if num_classes is not None and num_classes < 1:
        raise ValueError(f"num_classes: got {num_classes}, at least 1 is needed")
    total = at_least_tiny(jnp.sum(weight))
    criterion = criterion_of(hypers, impurity, total)
    if num_classes is not None:
        tree, _ = grow(
            binned, class_sums(y, weight, num_classes), criterion, max_depth=max_depth, candidates=candidates
        )
        value = tree.value / _not_zero(jnp.sum(tree.value, axis=1, keepdims=True))
    else:
        mean = weight @ y / total
        centred = y - mean  # so that sums of squares keep their digits
        columns = jnp.stack([weight, weight * centred, weight * centred**2], axis=1)
        tree, _ = grow(binned, column_sums(columns), criterion, max_depth=max_depth, candidates=candidates)
        value = mean + tree.value[:, 1] / _not_zero(tree.value[:, 0])
    return tree._replace(gain=tree.gain / total, value=value)


def criterion_of(hypers: Hypers, impurity: Impurity, total: jax.Array) -> Criterion:
    """An impurity with its limits, for rows of `total` weight []."""
    least_weight, least_decrease = (jnp.asarray(value, total.dtype) for value in hypers)

    def is_mixed(statistics: jax.Array) -> jax.Array:
        return (impurity.of(statistics) > 0) & (impurity.weight(statistics) >= 2 * least_weight)

    def gain(left: jax.Array, right: jax.Array) -> jax.Array:
        allowed = is_allowed(impurity.weight(left), impurity.weight(right), least_weight)
        return jnp.where(allowed, impurity.gain(left, right), -jnp.inf)

    return Criterion(impurity.weight, is_mixed, gain, least_decrease * total)


def predict(tree: Tree, x: jax.typing.ArrayLike) -> jax.Array:
    """Probabilities [N, K] of a classification tree, numbers [N] of a regression tree: x [N, D]."""
    return values_at(tree, as_features(x))


def tree_classifier(
    num_classes: int, *, impurity: Impurity = gini, max_depth: int = 6, max_bins: int = 255
) -> Estimator:
    """Classes by a tree; `predict` returns probabilities [N, K]."""
    return _estimator(num_classes=num_classes, impurity=impurity, max_depth=max_depth, max_bins=max_bins)


def tree_regressor(*, max_depth: int = 6, max_bins: int = 255) -> Estimator:
    """Numbers by a tree; `predict` returns [N]."""
    return _estimator(max_depth=max_depth, max_bins=max_bins)


def _estimator(**static: Any) -> Estimator:
    def fit_rows(key: Key, hypers: Hypers, x: jax.Array, y: jax.Array, weight: jax.Array | None = None) -> Tree:
        return fit(hypers, x, y, weight, **static)

    return Estimator(fit_rows, predict)


def _not_zero(value: jax.Array) -> jax.Array:
    return jnp.where(value > 0, value, 1)
