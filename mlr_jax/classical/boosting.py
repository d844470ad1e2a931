"""Gradient boosting: a sum of small trees, each of which takes one step down the loss.

    F_t(x) = F_{t-1}(x) + learning_rate f_t(x)

With g and h the first and second derivative of a row's loss by its score F, a leaf of rows R gets the Newton step
-G / (H + l2), G = sum_R w g, H = sum_R w h, and a split gains (Friedman, 2001; Chen and Guestrin, 2016)

    1/2 [G_l² / (H_l + l2) + G_r² / (H_r + l2) - G² / (H + l2)].

For K > 2 classes a stage is one tree for each class.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical.binning import Binned, as_binned, bin_rows
from mlr_jax.classical.boosting_losses import Loss, mean_over_rows, squared
from mlr_jax.classical.histogram import column_sums
from mlr_jax.classical.rows import as_features, rows_of
from mlr_jax.classical.tree_criteria import Criterion, is_allowed
from mlr_jax.classical.tree_growth import grow
from mlr_jax.classical.tree_structure import Tree, importances, values_at
from mlr_jax.core.collectives import data_key
from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.types import Batch, Estimator, Key, Learner, Metrics


class Hypers(NamedTuple):
    """What a sweep can vary."""

    learning_rate: float = 0.1
    l2: float = 0.0
    min_leaf_curvature: float = 1e-3
    """A leaf holds rows whose H is this at least; for the squared error H is their weight."""
    min_gain: float = 0.0
    """A split gains more than this."""
    subsample: float = 1.0
    """The chance of a row to be looked at by a tree (stochastic gradient boosting: Friedman, 2002)."""


class Boosted(NamedTuple):
    """The constant score [K], and the trees, leaves [T, K, ...], whose values are steps times the learning rate."""

    start: jax.Array
    trees: Tree


def fit(
    hypers: Hypers,
    x: jax.typing.ArrayLike | Binned,
    y: jax.typing.ArrayLike,
    weight: jax.typing.ArrayLike | None = None,
    *,
    key: Key,
    loss: Loss = squared,
    num_trees: int = 100,
    max_depth: int = 5,
    max_bins: int = 64,
) -> Boosted:
    """The sum of `num_trees` stages for rows x [N, D] (or already binned), y [N] and weight [N]. NaN in x is missing.

    Raises ValueError for less than one tree and a depth outside 1 to 20.
    """
    _check(num_trees, max_depth)
    binned, y, weight = as_binned(x, y, weight, max_bins)
    hypers = jax.tree.map(lambda value: jnp.asarray(value, weight.dtype), hypers)
    start = loss.start(y, weight)

    def add_stage(scores: jax.Array, key: Key) -> tuple[jax.Array, Tree]:
        trees, steps = _stage(hypers, binned, loss.derivatives(y, scores), weight, key, max_depth=max_depth)
        return scores + steps, trees

    scores = jnp.broadcast_to(start[None], (y.shape[0], loss.outputs))
    return Boosted(start, lax.scan(add_stage, scores, jax.random.split(key, num_trees))[1])


def scores_of(model: Boosted, x: jax.typing.ArrayLike) -> jax.Array:
    """F: x [N, D] -> [N, K]."""
    x = as_features(x)

    def add_stage(scores: jax.Array, trees: Tree) -> tuple[jax.Array, None]:
        return scores + lax.map(lambda tree: values_at(tree, x), trees).T, None

    scores = jnp.broadcast_to(model.start[None], (x.shape[0], model.start.shape[0]))
    return lax.scan(add_stage, scores, model.trees)[0]


def predict(model: Boosted, x: jax.typing.ArrayLike, *, loss: Loss = squared) -> jax.Array:
    """Values [N] of the squared loss, probabilities [N, K] of the others: x [N, D]."""
    return loss.prediction(scores_of(model, x))


def feature_importances(model: Boosted, num_features: int) -> jax.Array:
    """The share of each feature in the gain of all splits, [num_features]."""
    trees = jax.tree.map(lambda leaf: leaf.reshape(-1), model.trees._replace(value=model.start))
    return importances(trees, num_features)


def boosting(loss: Loss = squared, *, num_trees: int = 100, max_depth: int = 5, max_bins: int = 64) -> Estimator:
    """The estimator of a loss: `squared`, `logistic` or `softmax(num_classes)`."""
    _check(num_trees, max_depth)

    def fit_rows(key: Key, hypers: Hypers, x: jax.Array, y: jax.Array, weight: jax.Array | None = None) -> Boosted:
        return fit(
            hypers, x, y, weight, key=key, loss=loss, num_trees=num_trees, max_depth=max_depth, max_bins=max_bins
        )

    return Estimator(fit_rows, partial(predict, loss=loss))


class State(NamedTuple):
    """How many stages there are, and room for all of them; trees that are not there yet add 0."""

    step: jax.Array
    key: Key
    hypers: Hypers
    model: Boosted


def boosting_learner(loss: Loss = squared, *, num_trees: int = 100, max_depth: int = 5, max_bins: int = 64) -> Learner:
    """A learner that adds a stage a step, up to `num_trees` of them, on the rows of the step's batch.

    The scores of a batch are computed from the trees so far, so any batch will do; the constant score is that of the
    first. Batches hold x [B, D], y [B], and may hold weight and mask, [B]. Training metrics: the mean loss before the
    step. Evaluation: the loss of each row.
    """
    _check(num_trees, max_depth)

    def init(key: Key, hypers: Hypers) -> State:
        start = jnp.zeros(loss.outputs)
        inner, nodes = (num_trees, loss.outputs, 2**max_depth - 1), 2 ** (max_depth + 1) - 1
        trees = Tree(
            feature=jnp.full(inner, -1, jnp.int32),
            threshold=jnp.zeros(inner),
            missing_left=jnp.zeros(inner, bool),
            gain=jnp.zeros(inner),
            value=jnp.zeros((*inner[:2], nodes)),
        )
        return State(jnp.int32(0), key, as_arrays(hypers), Boosted(start, trees))

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        x, y, weight = rows_of(batch)
        start = jnp.where(state.step == 0, loss.start(y, weight), state.model.start)
        model = state.model._replace(start=start)
        scores = scores_of(model, x)
        binned = bin_rows(x, weight, max_bins=max_bins)
        key = jax.random.fold_in(state.key, state.step)
        trees, _ = _stage(state.hypers, binned, loss.derivatives(y, scores), weight, key, max_depth=max_depth)
        added = jax.tree.map(lambda every, new: every.at[state.step].set(new, mode="drop"), model.trees, trees)
        metrics = {"loss": mean_over_rows(jnp.where(weight > 0, loss.value(y, scores), 0), weight)}
        return state._replace(step=state.step + 1, model=model._replace(trees=added)), metrics

    def evaluate(state: State, batch: Batch) -> Metrics:
        x, y, _ = rows_of(batch)
        return {"loss": loss.value(y, scores_of(state.model, x))}

    return Learner(init, step, evaluate)


def _stage(
    hypers: Hypers,
    binned: Binned,
    derivatives: tuple[jax.Array, jax.Array],
    weight: jax.Array,
    key: Key,
    *,
    max_depth: int,
) -> tuple[Tree, jax.Array]:
    """One tree for each score, leaves [K, ...], and what they add to the scores of the rows, [N, K]."""
    drawn = lax.cond(hypers.subsample < 1, _draw, lambda *_: weight, data_key(key), hypers.subsample, weight)
    criterion = _criterion(hypers)

    def grow_one(derivatives: tuple[jax.Array, jax.Array]) -> tuple[Tree, jax.Array]:
        g, h = derivatives
        columns = jnp.stack([drawn * h, drawn * g], axis=1)
        tree, position = grow(binned, column_sums(columns), criterion, max_depth=max_depth)
        curvature, slope = tree.value.T
        step = -hypers.learning_rate * _over(slope, curvature + hypers.l2)
        return tree._replace(value=step), step[position]

    g, h = derivatives
    trees, steps = lax.map(grow_one, (g.T, h.T))
    return trees, steps.T


def _draw(key: Key, share: jax.Array, weight: jax.Array) -> jax.Array:
    """The weight of rows that are drawn, each with the chance `share`; 0 for the others."""
    return jnp.where(jax.random.uniform(key, weight.shape, weight.dtype) < share, weight, 0)


def _criterion(hypers: Hypers) -> Criterion:
    l2, least_curvature, least_gain = map(jnp.asarray, hypers[1:4])

    def quality(s: jax.Array) -> jax.Array:
        return 0.5 * _over(jnp.square(s[1]), s[0] + l2)

    def gain(left: jax.Array, right: jax.Array) -> jax.Array:
        gains = quality(left) + quality(right) - quality(left + right)
        return jnp.where(is_allowed(left[0], right[0], least_curvature), gains, -jnp.inf)

    least = jnp.maximum(least_gain, jnp.finfo(least_gain.dtype).tiny)
    return Criterion(weight=lambda s: s[0], is_mixed=lambda s: s[0] > 0, gain=gain, least_gain=least)


def _over(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    return numerator / jnp.where(denominator > 0, denominator, 1)


def _check(num_trees: int, max_depth: int) -> None:
    if num_trees < 1:
        raise ValueError(f"num_trees: got {num_trees}, at least 1 is needed")
    if not 1 <= max_depth <= 20:
        raise ValueError(f"max_depth: got {max_depth}, allowed are 1 to 20")
