"""What makes a split good: how much two groups of rows, taken apart, are purer than together.

A group is known by its statistics s [C, ...], sums over its rows: the weight of each class, [K, ...], or weight, sum
and sum of squares of the target, [3, ...]. With I the impurity of a group of weight w, a split gains

    w I(s_left + s_right) - w_left I(s_left) - w_right I(s_right)

which each criterion writes in the form that loses the fewest digits. (Breiman, Friedman, Olshen and Stone,
Classification and Regression Trees, 1984; Quinlan, Induction of Decision Trees, 1986.)
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Impurity(NamedTuple):
    """A measure of how mixed a group is.

    weight: s [C, ...] -> [...]
    of:     s [C, ...] -> I(s) [...], exactly zero where all rows are alike
    gain:   s_left, s_right -> the gain of the split, [...]
    """

    weight: Callable[[jax.Array], jax.Array]
    of: Callable[[jax.Array], jax.Array]
    gain: Callable[[jax.Array, jax.Array], jax.Array]


class Criterion(NamedTuple):
    """What growing a tree asks.

    weight:     s [C, ...] -> [...]
    is_mixed:   s -> whether a split of the node is looked for
    gain:       s_left, s_right -> the gain of the split, -inf where it is not allowed
    least_gain: a split that gains less is not made, []
    """

    weight: Callable[[jax.Array], jax.Array]
    is_mixed: Callable[[jax.Array], jax.Array]
    gain: Callable[[jax.Array, jax.Array], jax.Array]
    least_gain: jax.Array


def is_allowed(left: jax.Array, right: jax.Array, least: jax.Array) -> jax.Array:
    """Whether two sides of weight `left` and `right` both weigh `least` and more than rounding can make of nothing."""
    rounding = 8 * jnp.finfo(left.dtype).eps * (left + right)
    return jnp.minimum(left, right) >= jnp.maximum(least, rounding)


def _share(part: jax.Array, whole: jax.Array) -> jax.Array:
    return part / jnp.maximum(whole, jnp.finfo(whole.dtype).tiny)


def _weight_of_classes(s: jax.Array) -> jax.Array:
    return jnp.sum(s, axis=0)


def _weight_of_moments(s: jax.Array) -> jax.Array:
    return s[0]


def _gini(s: jax.Array) -> jax.Array:
    return 1 - jnp.sum(_share(s, jnp.sum(s, axis=0, keepdims=True)) ** 2, axis=0)


def _gini_gain(left: jax.Array, right: jax.Array) -> jax.Array:
    w_left, w_right = jnp.sum(left, axis=0), jnp.sum(right, axis=0)
    difference = _share(left, w_left[None]) - _share(right, w_right[None])
    return w_left * _share(w_right, w_left + w_right) * jnp.sum(difference**2, axis=0)


def _entropy(s: jax.Array) -> jax.Array:
    p = _share(s, jnp.sum(s, axis=0, keepdims=True))
    return -jnp.sum(p * _log2(p), axis=0)


def _entropy_gain(left: jax.Array, right: jax.Array) -> jax.Array:
    both = left + right
    p = _share(both, jnp.sum(both, axis=0, keepdims=True))

    def information(side: jax.Array) -> jax.Array:
        return side * _log2(_share(_share(side, jnp.sum(side, axis=0, keepdims=True)), p))

    return jnp.maximum(jnp.sum(information(left) + information(right), axis=0), 0)


def _log2(p: jax.Array) -> jax.Array:
    """0 where p is 0: the limit of p log p is all that is asked for."""
    return jnp.log2(jnp.where(p > 0, p, 1))


def _variance(s: jax.Array) -> jax.Array:
    w, wy, wyy = s
    variance = wyy - wy * _share(wy, w)
    return jnp.where(variance > 16 * jnp.finfo(s.dtype).eps * wyy, _share(variance, w), 0)


def _variance_gain(left: jax.Array, right: jax.Array) -> jax.Array:
    difference = _share(left[1], left[0]) - _share(right[1], right[0])
    return left[0] * _share(right[0], left[0] + right[0]) * difference**2


gini = Impurity(_weight_of_classes, _gini, _gini_gain)
"""1 - sum_k p_k², the chance that two rows drawn from a group differ in class. Gain: w_l w_r / w |p_l - p_r|²."""

entropy = Impurity(_weight_of_classes, _entropy, _entropy_gain)
"""-sum_k p_k log2 p_k, in bits. Gain: w times the mutual information of side and class."""

squared_error = Impurity(_weight_of_moments, _variance, _variance_gain)
"""The variance of the target. Gain: w_l w_r / w (mean_l - mean_r)²."""
