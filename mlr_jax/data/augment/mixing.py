"""Pairs of rows become one row: inputs are mixed, and so are their labels."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Batch, Hypers, Key, Metrics, Task, Variables
from mlr_jax.data.augment.erasing import rectangle

_Mix = Callable[[Key, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
"""key, x [B, ...], partners [B, ...] -> mixed x [B, ...], the weight [] of a row's own label."""


def mixup(task: Task, alpha: float, classes: int) -> Task:
    """`task` whose loss sees each real row mixed with another one, inputs and labels alike (Zhang et al., 2018).

        x' = w x + (1 - w) x[p],  q' = w q + (1 - w) q[p],  w ~ Beta(alpha, alpha)

    One w and one permutation p of the real rows are drawn for the batch; padding maps to itself. q is the one-hot
    vector of an integer y [B], or y [B, K] itself where it holds distributions: batches of the wrapped task have
    `"y"` [B, classes]. Evaluation is unchanged.

    Args:
        task: its batches hold floating-point `"x"` [B, ...] and `"y"`; it takes distributions for labels.
        alpha: > 0; towards 0 rows stay apart, towards infinity w is 1/2.
        classes: the number of classes, K.

    Raises:
        ValueError: `alpha` is not positive and finite or, once traced, `"x"` is not floating point.
    """
    return _mixed(task, classes, _blend(alpha))


def cutmix(task: Task, alpha: float, classes: int) -> Task:
    """`task` whose loss sees a rectangle of another image in each, labels mixed by area (Yun et al., 2019).

    The rectangle has the part 1 - w of both sides' product, w ~ Beta(alpha, alpha), and its centre anywhere; what falls
    outside the image is lost, and the weight of a row's own label is the area that it kept. One rectangle and one
    permutation of the real rows are drawn for the batch. The rest is as for `mixup`.
    """
    return _mixed(task, classes, _paste(alpha))


def mixup_or_cutmix(task: Task, mixup_alpha: float, cutmix_alpha: float, classes: int) -> Task:
    """Each batch is mixed in one of the two ways, with equal chance (as DeiT does: Touvron et al., 2021)."""
    blend, paste = _blend(mixup_alpha), _paste(cutmix_alpha)

    def either(key: Key, x: jax.Array, partners: jax.Array) -> tuple[jax.Array, jax.Array]:
        choice_key, mix_key = jax.random.split(key)
        is_blended = jax.random.bernoulli(choice_key)
        return jax.tree.map(
            lambda a, b: jnp.where(is_blended, a, b), blend(mix_key, x, partners), paste(mix_key, x, partners)
        )

    return _mixed(task, classes, either)


def _mixed(task: Task, classes: int, mix: _Mix) -> Task:
    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        x, y = batch["x"], batch["y"]
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise ValueError(f'batch["x"] must be floating point to be mixed, got {x.dtype}')
        mix_key, order_key, task_key = jax.random.split(key, 3)
        partner = _permutation_of_real_rows(order_key, batch.get("mask", jnp.ones(len(x))))
        q = jax.nn.one_hot(y, classes) if y.ndim == 1 else y
        mixed, weight = mix(mix_key, x, x[partner])
        batch = {**batch, "x": mixed.astype(x.dtype), "y": weight * q + (1 - weight) * q[partner]}
        return task.loss(variables, batch, task_key, hypers)

    return task._replace(loss=loss)


def _blend(alpha: float) -> _Mix:
    _check_alpha(alpha)

    def blend(key: Key, x: jax.Array, partners: jax.Array) -> tuple[jax.Array, jax.Array]:
        weight = jax.random.beta(key, alpha, alpha)
        return weight * x + (1 - weight) * partners, weight

    return blend


def _paste(alpha: float) -> _Mix:
    _check_alpha(alpha)

    def paste(key: Key, x: jax.Array, partners: jax.Array) -> tuple[jax.Array, jax.Array]:
        if x.ndim != 4:
            raise ValueError(f'batch["x"] must be images [B, H, W, C], got shape {list(x.shape)}')
        sides = jnp.array(x.shape[1:3])
        weight_key, place_key = jax.random.split(key)
        part = jnp.sqrt(1 - jax.random.beta(weight_key, alpha, alpha))
        rows, columns = jnp.round(part * sides).astype(int)
        row, column = jax.random.randint(place_key, (2,), 0, sides)
        pasted = rectangle(x.shape[1:3], row - rows // 2, column - columns // 2, rows, columns)
        return jnp.where(pasted[None, :, :, None], partners, x), 1 - jnp.mean(pasted, dtype=jnp.float32)

    return paste


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < math.inf:
        raise ValueError(f"alpha must be positive and finite, got {alpha}")


def _permutation_of_real_rows(key: Key, mask: jax.Array) -> jax.Array:
    """A uniformly random permutation of the rows whose mask is 1, the identity on the others: [B] int."""
    real = mask > 0
    in_order = jnp.argsort(~real)
    # The sorts are stable and put the real rows first, so behind them both list the padding in the same order.
    shuffled = jnp.argsort(jnp.where(real, jax.random.uniform(key, real.shape), 1.0))
    return in_order.at[in_order].set(shuffled)
